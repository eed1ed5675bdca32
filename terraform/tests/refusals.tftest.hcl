mock_provider "google" {}

variables {
  project     = "credix-test"
  environment = "dev"
  buckets     = { lake = "t-lake", archive = "t-archive", report = "t-report", runs = "t-runs" }
  postgres    = { host = "10.0.0.3", db = "credit", user = "reader" }
}

run "local_needs_no_terraform" {
  command = plan
  variables {
    environment = "local"
  }
  expect_failures = [var.environment]
}

run "two_buckets_of_one_name" {
  command = plan
  variables {
    buckets = { lake = "t-lake", archive = "t-lake", report = "t-report", runs = "t-runs" }
  }
  expect_failures = [var.buckets]
}

run "a_multi_region" {
  command = plan
  variables {
    region = "US"
  }
  expect_failures = [var.region]
}

run "a_secret_among_the_settings" {
  command = plan
  variables {
    settings = { CREDIX_ALERT_URLS = "slack://token" }
  }
  expect_failures = [var.settings]
}

run "a_job_that_there_is_not" {
  command = plan
  variables {
    schedules = { hourly = "0 * * * *" }
  }
  expect_failures = [var.schedules]
}

run "a_cron_line_of_six_fields" {
  command = plan
  variables {
    schedules = { full = "0 0 5 * * *" }
  }
  expect_failures = [var.schedules]
}

run "an_archive_that_deletes_what_it_has_to_keep" {
  command = plan
  variables {
    archive_retention_days = 30
    archive_deletion_days  = 30
  }
  expect_failures = [var.archive_deletion_days]
}

run "an_unknown_secret" {
  command = plan
  variables {
    optional_secrets = ["CREDIX_TOKEN"]
  }
  expect_failures = [var.optional_secrets]
}
