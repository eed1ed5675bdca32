mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project     = "credix-test"
  environment = "dev"
  image       = "southamerica-east1-docker.pkg.dev/credix-test/credix-dev/workbook:1"
  buckets     = { lake = "t-lake", archive = "t-archive", report = "t-report", runs = "t-runs" }
  postgres    = { host = "10.0.0.3", db = "credit", user = "reader" }
}

run "each_dataset_is_open_to_those_whose_purpose_it_is" {
  command = plan

  assert {
    condition = {
      for layer, dataset in google_bigquery_dataset.layer : layer => toset([
        for access in dataset.access :
        "${access.role} ${coalesce(access.special_group, access.user_by_email == local.by_purpose["dbt"].email ? "dbt" : access.user_by_email == local.by_purpose["workbook"].email ? "workbook" : "somebody")}"
      ])
      } == {
      temp              = toset(["OWNER projectOwners", "WRITER workbook", "READER dbt"])
      bronze            = toset(["OWNER projectOwners", "WRITER workbook", "WRITER dbt"])
      silver            = toset(["OWNER projectOwners", "READER workbook", "WRITER dbt"])
      gold              = toset(["OWNER projectOwners", "READER workbook", "WRITER dbt"])
      elementary        = toset(["OWNER projectOwners", "READER workbook", "WRITER dbt"])
      elementary__tests = toset(["OWNER projectOwners", "READER workbook", "WRITER dbt"])
    }
    error_message = "Only dbt writes silver and gold, and no one reads more than it needs."
  }
}

run "no_identity_has_a_right_on_the_whole_project_but_to_query" {
  command = plan

  variables {
    operators  = ["group:data-on-call@example.com"]
    dashboards = ["serviceAccount:looker@example.iam.gserviceaccount.com"]
    analysts   = ["group:analysts@example.com"]
  }

  assert {
    condition = toset([
      for grant in concat(values(google_project_iam_member.purpose), values(google_project_iam_member.analysts)) : grant.role
    ]) == toset(["roles/bigquery.jobUser", "roles/bigquery.readSessionUser"])
    error_message = "Rights on data are given on datasets and buckets."
  }
  assert {
    condition = (
      toset(google_project_iam_custom_role.own_jobs.permissions) == toset(["bigquery.jobs.list"])
      && toset(keys(google_project_iam_member.own_jobs)) == toset(["workbook", "dbt", "operator"])
    )
    error_message = "Who sends a run's jobs lists its own, and no one else's."
  }
  assert {
    condition     = !contains([for name, grant in google_project_iam_member.purpose : split(" ", name)[0]], "scheduler")
    error_message = "What starts jobs queries nothing."
  }
}

run "nobody_reads_all_of_it" {
  command = plan

  assert {
    condition     = toset(keys(google_service_account.purpose)) == toset(["workbook", "dbt", "scheduler"])
    error_message = "Identities for people and tools are made when someone is named."
  }
  assert {
    condition     = alltrue([for grant in google_service_account_iam_member.may_act_as : strcontains(grant.role, "serviceAccountTokenCreator")])
    error_message = "An identity is taken on, never held as a key."
  }
  assert {
    condition     = toset(keys(google_service_account_iam_member.may_act_as)) == toset(["dbt workbook"])
    error_message = "The workbook alone takes on dbt's identity."
  }
}

run "readers_read_gold_and_the_report_and_nothing_else" {
  command = plan

  variables {
    analysts   = ["group:analysts@example.com"]
    dashboards = ["serviceAccount:looker@example.iam.gserviceaccount.com"]
  }

  assert {
    condition = toset([
      for layer, dataset in google_bigquery_dataset.layer : layer
      if anytrue([for access in dataset.access : access.group_by_email == "analysts@example.com"])
    ]) == toset(["gold"])
    error_message = "Analysts read gold."
  }
  assert {
    condition = toset([
      for layer, dataset in google_bigquery_dataset.layer : layer
      if anytrue([for access in dataset.access : access.user_by_email == local.by_purpose["reader"].email && access.role == "READER"])
    ]) == toset(["gold"])
    error_message = "So do dashboards."
  }
  assert {
    condition = toset([
      for name, grant in google_storage_bucket_iam_member.purpose : "${grant.bucket} ${grant.role}" if startswith(name, "reader")
    ]) == toset(["t-report roles/storage.objectViewer"])
    error_message = "Dashboards may show the report's files."
  }
  assert {
    condition     = toset([for grant in google_storage_bucket_iam_member.analysts : "${grant.bucket} ${grant.role}"]) == toset(["t-report roles/storage.objectViewer"])
    error_message = "Analysts read the report."
  }
}

run "the_operator_mends_and_has_no_secret" {
  command = plan

  variables {
    operators = ["group:data-on-call@example.com"]
  }

  assert {
    condition     = contains(keys(google_service_account_iam_member.may_act_as), "operator group:data-on-call@example.com")
    error_message = "Named people take on the operator's identity."
  }
  assert {
    condition     = toset(keys(google_service_account_iam_member.may_act_as)) == toset(["dbt operator", "dbt workbook", "dbt group:data-on-call@example.com", "operator group:data-on-call@example.com"])
    error_message = "And dbt's, for which dbt asks with their own credentials; no one else does."
  }
  assert {
    condition     = length(google_secret_manager_secret_iam_member.workbook) == 1
    error_message = "The workbook alone reads the password of the source."
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

run "who_brings_files_reads_none" {
  command = plan

  variables {
    writers = ["serviceAccount:carrier@example.iam.gserviceaccount.com"]
  }

  assert {
    condition = alltrue([
      for grant in google_storage_bucket_iam_member.writers :
      grant.role == "roles/storage.objectCreator" && strcontains(grant.condition[0].expression, "objects/business_case/landing/external/")
    ])
    error_message = "They create below landing/external: state and landing stay closed."
  }
}

run "reads_and_writes_of_objects_and_secrets_are_logged" {
  command = plan

  assert {
    condition     = toset(keys(google_project_iam_audit_config.data_access)) == toset(["storage.googleapis.com", "secretmanager.googleapis.com"])
    error_message = "BigQuery logs by itself; the others have to be configured."
  }
}
