# Workflows of the repository log in by their own token: there is no key to lose. They push images and roll them
# out; datasets, buckets and rights are changed by whoever applies Terraform.
resource "google_iam_workload_identity_pool" "workflows" {
  count = var.github_repository == null ? 0 : 1

  workload_identity_pool_id = "${local.name}-workflows"
  display_name              = "Workflows, ${var.environment}"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  count = var.github_repository == null ? 0 : 1

  workload_identity_pool_id          = google_iam_workload_identity_pool.workflows[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"

  attribute_mapping = {
    "google.subject"        = "assertion.sub"
    "attribute.environment" = "assertion.repository + '/' + assertion.environment"
  }
  # Of this repository, and of a job that the environment's reviewers have let through.
  attribute_condition = "assertion.repository == '${var.github_repository}' && assertion.environment == '${var.environment}'"

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account" "deployer" {
  count = var.github_repository == null ? 0 : 1

  account_id   = "${local.name}-deployer"
  display_name = "Credix ${var.environment}: pushes images and rolls them out"
}

resource "google_service_account_iam_member" "workflows_are_deployer" {
  count = var.github_repository == null ? 0 : 1

  service_account_id = google_service_account.deployer[0].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.workflows[0].name}/attribute.environment/${var.github_repository}/${var.environment}"
}

resource "google_artifact_registry_repository_iam_member" "deployer" {
  count = var.github_repository == null ? 0 : 1

  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.deployer[0].member
}

resource "google_cloud_run_v2_job_iam_member" "deployer" {
  for_each = var.github_repository == null ? {} : google_cloud_run_v2_job.workbook

  name     = each.value.name
  location = var.region
  role     = "roles/run.developer"
  member   = google_service_account.deployer[0].member
}

# A job runs as the workbook: who changes the job has to be let act as it.
resource "google_service_account_iam_member" "deployer_acts_as_workbook" {
  count = var.github_repository == null ? 0 : 1

  service_account_id = google_service_account.workbook.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.deployer[0].member
}
