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

run "without_a_repository_no_workflow_logs_in" {
  command = plan

  assert {
    condition     = length(google_iam_workload_identity_pool.workflows) == 0 && length(google_service_account.workflow) == 0
    error_message = "No one from outside logs in unless a repository is named."
  }
}

run "workflows_log_in_by_owner_repository_and_environment" {
  command = plan

  variables {
    github_repository = "example/credix"
    github_owner_id   = "4711"
    state_bucket      = "t-terraform"
  }

  assert {
    condition = alltrue([
      for claim in [
        "assertion.repository_owner_id == '4711'",
        "'repo:example/credix:environment:dev'",
        "'repo:example/credix:environment:dev-plan'",
        "'repo:example/credix:environment:dev-images'",
      ] : strcontains(google_iam_workload_identity_pool_provider.github[0].attribute_condition, claim)
    ])
    error_message = "A token of another repository, or one that no reviewer let through, is refused."
  }
  assert {
    condition = google_iam_workload_identity_pool_provider.github[0].attribute_condition == join("", [
      "assertion.repository_owner_id == '4711' && (",
      "(assertion.sub == 'repo:example/credix:environment:dev' && assertion.workflow_ref == 'example/credix/.github/workflows/terraform.yml@refs/heads/main')",
      " || (assertion.sub == 'repo:example/credix:environment:dev-plan')",
      " || (assertion.sub == 'repo:example/credix:environment:dev-images' && assertion.workflow_ref == 'example/credix/.github/workflows/image.yml@refs/heads/main')",
      ")",
    ])
    error_message = "A workflow of a branch, or another one, pushes no image and applies nothing, whatever GitHub's environments let through."
  }
  assert {
    condition     = toset([for grant in google_service_account_iam_member.workflow : grant.role]) == toset(["roles/iam.workloadIdentityUser"])
    error_message = "They log in by their token."
  }
}

run "workflows_read_no_row_and_give_no_right" {
  command = plan

  variables {
    github_repository = "example/credix"
    github_owner_id   = "4711"
    state_bucket      = "t-terraform"
  }

  assert {
    condition = !anytrue(flatten([
      for role in google_project_iam_custom_role.terraform : [
        for permission in role.permissions : can(regex("setIamPolicy|objects\\.|getData|versions\\.access|iam\\.roles\\.(create|update)|actAs|getAccessToken|buckets\\.(create|update|delete)|datasets\\.(create|update|delete)", permission))
      ]
    ]))
    error_message = "Terraform in a workflow sees and changes what runs; it reads no data and gives no rights."
  }
  assert {
    condition     = !anytrue([for permission in google_project_iam_custom_role.terraform["planner"].permissions : !can(regex("\\.get(IamPolicy)?$", permission))])
    error_message = "The planner changes nothing."
  }
  assert {
    condition     = { for role, grant in google_storage_bucket_iam_member.state : role => grant.role } == { planner = "roles/storage.objectViewer", deployer = "roles/storage.objectUser" }
    error_message = "The planner reads the state, the deployer writes it."
  }
  assert {
    condition     = !anytrue([for permission in google_project_iam_custom_role.terraform["deployer"].permissions : can(regex("^bigquery\\..*(create|update|delete)", permission))])
    error_message = "On the project the deployer changes nothing of BigQuery."
  }
  assert {
    condition = [
      for layer, dataset in google_bigquery_dataset.layer : layer if anytrue([
        for access in dataset.access : access.user_by_email == "credix-dev-deployer@credix-test.iam.gserviceaccount.com"
      ])
    ] == ["temp"]
    error_message = "Reference tables are in temp, and no table elsewhere is the deployer's to change."
  }
  assert {
    condition     = google_artifact_registry_repository_iam_member.pusher[0].role == "roles/artifactregistry.writer"
    error_message = "Images are pushed, and never deleted, by an identity that can do nothing else."
  }
  assert {
    condition     = !google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "Signatures of a digest are written again when a job is repeated; what is rolled out is named by its digest (refusals: prod_by_a_tag, stage_by_a_tag)."
  }
}
