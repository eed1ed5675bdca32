mock_provider "google" {}

variables {
  project     = "credix-test"
  environment = "dev"
  image       = "southamerica-east1-docker.pkg.dev/credix-test/credix-dev/workbook:1"
  buckets     = { lake = "t-lake", archive = "t-archive", report = "t-report", runs = "t-runs" }
  postgres    = { host = "10.0.0.3", db = "credit", user = "reader" }
}

run "datasets_are_named_as_the_workbook_names_them" {
  command = plan

  assert {
    condition = toset([for dataset in google_bigquery_dataset.layer : dataset.dataset_id]) == toset([
      "business_case_temp", "business_case_bronze", "business_case_silver", "business_case_gold",
      "business_case_elementary", "business_case_elementary__tests",
    ])
    error_message = "The datasets are those of CREDIX_PREFIX."
  }
}

run "only_tables_of_temp_expire" {
  command = plan

  assert {
    condition = alltrue([
      for layer, dataset in google_bigquery_dataset.layer :
      dataset.default_table_expiration_ms == (layer == "temp" ? 24 * 3600 * 1000 : null)
    ])
    error_message = "A table outside of temp must never expire."
  }
}

run "reference_tables_follow_the_contracts_and_never_expire" {
  command = plan

  assert {
    condition     = toset(keys(google_bigquery_table.reference)) == toset(["cnpj_ws", "installments"])
    error_message = "There is one reference table per contract."
  }
  assert {
    condition = alltrue([
      for table in google_bigquery_table.reference : table.expiration_time > 250000000000000 && table.deletion_protection
    ])
    error_message = "A reference table lives on in a dataset whose tables expire."
  }
  assert {
    condition = slice(
      [for column in jsondecode(google_bigquery_table.reference["installments"].schema) : column.name], 0, 2
    ) == ["asset_id", "invoice_id"]
    error_message = "The columns of the source come first."
  }
  assert {
    condition     = contains([for column in jsondecode(google_bigquery_table.reference["installments"].schema) : column.name], "_seq")
    error_message = "The technical columns follow."
  }
}

run "nothing_is_public_unless_asked_for" {
  command = plan

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.store : bucket.public_access_prevention == "enforced"])
    error_message = "Every bucket refuses public access."
  }
  assert {
    condition     = length(google_storage_bucket_iam_member.public_report) == 0
    error_message = "Nobody but named people reads the report."
  }
  assert {
    condition     = alltrue([for bucket in google_storage_bucket.store : bucket.uniform_bucket_level_access])
    error_message = "No object has rights of its own."
  }
}

run "the_report_alone_can_be_made_public" {
  command = plan

  variables {
    is_report_public = true
  }

  assert {
    condition = toset([
      for name, bucket in google_storage_bucket.store : name if bucket.public_access_prevention != "enforced"
    ]) == toset(["report"])
    error_message = "Lake, archive and runs hold rows or errors and stay private."
  }
  assert {
    condition     = google_storage_bucket_iam_member.public_report[0].role == "roles/storage.objectViewer"
    error_message = "The public reads objects and cannot list who may do what."
  }
}

run "the_archive_is_write_once" {
  command = plan

  assert {
    condition     = tonumber(google_storage_bucket.store["archive"].retention_policy[0].retention_period) == 30 * 24 * 3600
    error_message = "What the archive holds cannot be deleted for 30 days."
  }
  assert {
    condition = toset([
      for grant in google_storage_bucket_iam_member.workbook : grant.role if grant.bucket == "t-archive"
    ]) == toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])
    error_message = "The workbook creates and reads in the archive, and never deletes."
  }
}

run "the_workbook_has_no_right_on_the_whole_project_but_to_query" {
  command = plan

  assert {
    condition = toset([for grant in google_project_iam_member.workbook : grant.role]) == toset([
      "roles/bigquery.jobUser", "roles/bigquery.readSessionUser"
    ])
    error_message = "Rights on data are given on datasets and buckets."
  }
}

run "every_job_of_the_schedule_runs_its_job_of_the_workbook" {
  command = plan

  assert {
    condition = alltrue([
      for job, made in google_cloud_run_v2_job.workbook :
      join(" ", made.template[0].template[0].containers[0].args) == "run ${job}"
    ])
    error_message = "Each schedule starts the job of its name."
  }
  assert {
    condition     = toset(keys(google_cloud_run_v2_job.workbook)) == toset(["installments", "cnpj", "full", "monitoring"])
    error_message = "There is a job for each of the four schedules."
  }
  assert {
    condition     = google_cloud_scheduler_job.schedule["installments"].schedule == "*/5 * * * *"
    error_message = "Installments are carried every five minutes."
  }
}

run "secrets_come_from_secret_manager_and_from_nowhere_else" {
  command = plan

  assert {
    condition = alltrue([
      for job in google_cloud_run_v2_job.workbook : alltrue([
        for env in job.template[0].template[0].containers[0].env :
        length(env.value_source) == 1 if strcontains(env.name, "PASSWORD")
      ])
    ])
    error_message = "No password is written into a job."
  }
  assert {
    condition     = keys(google_secret_manager_secret.setting) == ["POSTGRES_PASSWORD"]
    error_message = "Other secrets are asked for by name."
  }
}

run "without_an_image_there_is_no_job_yet" {
  command = plan

  variables {
    image = null
  }

  assert {
    condition     = length(google_cloud_run_v2_job.workbook) == 0 && length(google_cloud_scheduler_job.schedule) == 0
    error_message = "Jobs wait for the first image."
  }
}

run "auditors_see_runs_and_no_rows" {
  command = plan

  variables {
    auditors = ["group:auditors@example.com"]
  }

  assert {
    condition = strcontains(
      google_storage_bucket_iam_member.auditors["group:auditors@example.com"].condition[0].expression,
      "objects/business_case/runs/"
    )
    error_message = "The Parquet files beside the runs stay closed."
  }
}

run "workflows_log_in_by_repository_and_environment" {
  command = plan

  variables {
    github_repository = "example/credix"
  }

  assert {
    condition = alltrue([
      for claim in ["assertion.repository == 'example/credix'", "assertion.environment == 'dev'"] :
      strcontains(google_iam_workload_identity_pool_provider.github[0].attribute_condition, claim)
    ])
    error_message = "A token of another repository, or one that no reviewer let through, is refused."
  }
}
