project     = "my-project-dev"
environment = "dev"

buckets = {
  lake    = "my-project-dev-lake"
  archive = "my-project-dev-archive"
  report  = "my-project-dev-report"
  runs    = "my-project-dev-runs"
}

postgres = {
  host = "10.0.0.3"
  db   = "credit"
  user = "credix_reader"
}

# Data of dev is kept no longer than needed to find a fault.
archive_retention_days = 1
archive_deletion_days  = 30

schedules = {
  full = "0 5 * * *"
}
silent_minutes = 1410
