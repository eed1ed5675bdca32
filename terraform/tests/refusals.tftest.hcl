mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

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

run "weekdays_by_number" {
  command = plan
  variables {
    schedules = { full = "0 5 * * 1-5" }
  }
  expect_failures = [var.schedules]
}

run "days_of_the_month_and_weekdays_at_once" {
  command = plan
  variables {
    schedules = { full = "0 5 1 * mon" }
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

run "prod_by_a_tag" {
  command = plan
  variables {
    environment = "prod"
    image       = "southamerica-east1-docker.pkg.dev/credix-test/credix-prod/workbook:1"
  }
  expect_failures = [var.image]
}

run "stage_by_a_tag" {
  command = plan
  variables {
    environment = "stage"
    image       = "southamerica-east1-docker.pkg.dev/credix-test/credix-stage/workbook:1"
  }
  expect_failures = [var.image]
}

run "what_latest_is" {
  command = plan
  variables {
    image = "southamerica-east1-docker.pkg.dev/credix-test/credix-dev/workbook:latest"
  }
  expect_failures = [var.image]
}

run "everybody_as_analyst" {
  command = plan
  variables {
    analysts = ["allUsers"]
  }
  expect_failures = [var.analysts]
}

run "everybody_as_reader_of_pages" {
  command = plan
  variables {
    pages = { readers = ["allUsers"] }
  }
  expect_failures = [var.pages]
}

run "pages_for_nobody" {
  command = plan
  variables {
    pages = { readers = [] }
  }
  expect_failures = [var.pages]
}

run "a_domain_as_operator" {
  command = plan
  variables {
    operators = ["domain:example.com"]
  }
  expect_failures = [var.operators]
}

run "the_superuser_of_the_source" {
  command = plan
  variables {
    postgres = { host = "10.0.0.3", db = "credit", user = "postgres" }
  }
  expect_failures = [var.postgres]
}

run "a_repository_without_its_owners_number" {
  command = plan
  variables {
    github_repository = "example/credix"
    state_bucket      = "t-terraform"
  }
  expect_failures = [var.github_owner_id]
}

run "state_beside_the_data" {
  command = plan
  variables {
    github_repository = "example/credix"
    github_owner_id   = "1"
    state_bucket      = "t-lake"
  }
  expect_failures = [var.state_bucket]
}

run "a_key_elsewhere" {
  command = plan
  variables {
    kms_key = "projects/p/locations/us/keyRings/r/cryptoKeys/k"
  }
  expect_failures = [var.kms_key]
}

run "a_promise_without_a_budget" {
  command = plan
  variables {
    objectives = { runs = 1 }
  }
  expect_failures = [var.objectives]
}

run "soft_delete_for_three_days" {
  command = plan
  variables {
    soft_delete_days = 3
  }
  expect_failures = [var.soft_delete_days]
}

run "datastream_without_a_network" {
  command = plan
  variables {
    datastream = { destination = "landing", subnet_cidr = "10.20.0.0/28", producer_projects = ["tenant"] }
  }
  expect_failures = [var.datastream]
}

run "a_source_without_a_network" {
  command = plan
  variables {
    cloud_sql = {}
  }
  expect_failures = [var.cloud_sql]
}

run "a_job_of_a_week" {
  command = plan
  variables {
    job = { timeout_seconds = 604800 }
  }
  expect_failures = [var.job]
}

run "a_source_in_clear_text" {
  command = plan
  variables {
    postgres = { host = "10.0.0.3", db = "credit", user = "reader", sslmode = "prefer" }
  }
  expect_failures = [var.postgres]
}

run "a_certificate_that_nobody_vouches_for" {
  command = plan
  variables {
    postgres = { host = "10.0.0.3", db = "credit", user = "reader", sslmode = "verify-full" }
  }
  expect_failures = [var.postgres]
}
