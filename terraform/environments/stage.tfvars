project     = "my-project-stage"
environment = "stage"

buckets = {
  lake    = "my-project-stage-lake"
  archive = "my-project-stage-archive"
  report  = "my-project-stage-report"
  runs    = "my-project-stage-runs"
}

postgres = {
  host = "10.0.0.3"
  db   = "credit"
  user = "credix_reader"
}

archive_retention_days = 7
archive_deletion_days  = 90

schedules = {
  installments = "*/30 * * * *"
  full         = "0 5 * * *"
}
silent_minutes = 120
