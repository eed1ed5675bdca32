project     = "my-project-prod"
environment = "prod"

buckets = {
  lake    = "my-project-prod-lake"
  archive = "my-project-prod-archive"
  report  = "my-project-prod-report"
  runs    = "my-project-prod-runs"
}

postgres = {
  host = "10.0.0.3"
  db   = "credit"
  user = "credix_reader"
}

archive_retention_days = 30
archive_deletion_days  = 1825

operators        = ["group:data-on-call@example.com"]
alert_emails     = ["data-on-call@example.com"]
optional_secrets = ["CREDIX_ALERT_URLS"]
