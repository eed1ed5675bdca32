# Workflows of the repository log in by their own token: there is no key to lose. Three identities, each for the jobs
# of one GitHub environment: <env>-plan reads what there is, <env>-images pushes images, <env> applies what its
# reviewers have let through.
locals {
  has_workflows = var.github_repository != null
  workflows = !local.has_workflows ? {} : {
    planner  = "${var.environment}-plan"
    pusher   = "${var.environment}-images"
    deployer = var.environment
  }
  # Written out, as those of the purposes are (identities.tf).
  deployer              = "${local.name}-deployer@${var.project}.iam.gserviceaccount.com"
  reference_tables_role = replace("${local.name}-reference-tables", "-", "_")

  subjects = { for role, environment in local.workflows : role => "repo:${var.github_repository}:environment:${environment}" }
  # What pushes and applies is the workflow of that name as it is on main. Anyone who may push a branch can write another
  # one, and nothing but a setting of GitHub's keeps that from the environment. A plan is made for any branch.
  files = { pusher = "image.yml", deployer = "terraform.yml" }
  logins = {
    for role, subject in local.subjects : role => join(" && ", concat(
      ["assertion.sub == '${subject}'"],
      [for file in lookup(local.files, role, null)[*] : "assertion.workflow_ref == '${var.github_repository}/.github/workflows/${file}@refs/heads/main'"],
    ))
  }
}

resource "google_iam_workload_identity_pool" "workflows" {
  count = local.has_workflows ? 1 : 0

  workload_identity_pool_id = "${local.name}-workflows"
  display_name              = "Workflows, ${var.environment}"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  # checkov:skip=CKV_GCP_125: the condition names the subjects; the check reads the text before their names are filled in
  count = local.has_workflows ? 1 : 0

  workload_identity_pool_id          = google_iam_workload_identity_pool.workflows[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"

  attribute_mapping = { "google.subject" = "assertion.sub" }
  # Of this owner, whatever his name, and of a job in one of the three environments of this repository.
  attribute_condition = join(" && ", [
    "assertion.repository_owner_id == '${coalesce(var.github_owner_id, "0")}'",
    "(${join(" || ", [for login in values(local.logins) : "(${login})"])})",
  ])

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account" "workflow" {
  for_each = local.workflows

  account_id   = "${local.name}-${each.key}"
  display_name = "Credix ${var.environment}: ${each.key} of the workflows"
}

resource "google_service_account_iam_member" "workflow" {
  for_each = local.subjects

  service_account_id = google_service_account.workflow[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.workflows[0].name}/subject/${each.value}"
}

resource "google_artifact_registry_repository_iam_member" "pusher" {
  count = local.has_workflows ? 1 : 0

  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.workflow["pusher"].member
}

# An image is built once, and copied from environment to environment as it is.
resource "google_artifact_registry_repository_iam_member" "readers" {
  for_each = var.image_readers

  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = each.value
}

# Terraform's own rights in a workflow: the planner sees what this module makes, the deployer changes what runs and what
# is watched. None of these permissions reads a row, an object or the value of a secret; none gives a right, makes an
# identity or touches a dataset or bucket: that is applied by a person (docs/how-to/google-cloud.md).
locals {
  seen = concat([
    "artifactregistry.repositories.get", "artifactregistry.repositories.getIamPolicy",
    "bigquery.datasets.get", "bigquery.datasets.getIamPolicy", "bigquery.tables.get",
    "cloudkms.cryptoKeys.getIamPolicy", "cloudscheduler.jobs.get",
    "iam.roles.get", "iam.serviceAccounts.get", "iam.serviceAccounts.getIamPolicy",
    "iam.workloadIdentityPoolProviders.get", "iam.workloadIdentityPools.get",
    "logging.logMetrics.get", "monitoring.alertPolicies.get", "monitoring.notificationChannels.get",
    "monitoring.services.get", "monitoring.slos.get", "pubsub.topics.get", "pubsub.topics.getIamPolicy",
    "resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy",
    "run.jobs.get", "run.jobs.getIamPolicy", "secretmanager.secrets.get", "secretmanager.secrets.getIamPolicy",
    "storage.buckets.get", "storage.buckets.getIamPolicy",
    ],
    var.pages == null ? [] : [
      "iap.webServices.getIamPolicy", "run.services.get", "run.services.getIamPolicy",
    ],
    var.datastream == null ? [] : [
      "compute.firewalls.get", "compute.networkAttachments.get", "compute.subnetworks.get",
      "datastream.connectionProfiles.get", "datastream.privateConnections.get", "datastream.streams.get",
    ],
    var.cloud_sql == null ? [] : [
      "cloudsql.databases.get", "cloudsql.instances.get", "compute.globalAddresses.get", "servicenetworking.services.get",
    ],
  )
  changed = concat([
    # Cloud Run asks anyone who deploys for the right to pull the image.
    "artifactregistry.repositories.downloadArtifacts",
    "cloudscheduler.jobs.create", "cloudscheduler.jobs.delete", "cloudscheduler.jobs.enable",
    "cloudscheduler.jobs.pause", "cloudscheduler.jobs.update",
    "logging.logMetrics.create", "logging.logMetrics.delete", "logging.logMetrics.update",
    "monitoring.alertPolicies.create", "monitoring.alertPolicies.delete", "monitoring.alertPolicies.update",
    "monitoring.slos.create", "monitoring.slos.delete", "monitoring.slos.update",
    "run.jobs.create", "run.jobs.delete", "run.jobs.update", "run.operations.get",
    ],
    var.pages == null ? [] : ["run.services.create", "run.services.delete", "run.services.update"],
  )
  permissions = { planner = local.seen, deployer = concat(local.seen, local.changed) }
}

resource "google_project_iam_custom_role" "terraform" {
  for_each = { for role, names in local.permissions : role => names if local.has_workflows }

  role_id     = replace("${local.name}-${each.key}", "-", "_")
  title       = "Credix ${var.environment}: ${each.key}"
  permissions = each.value
}

# Reference tables follow their contracts; their neighbours in temp expire anyway, and no other dataset may be touched.
resource "google_project_iam_custom_role" "reference_tables" {
  count = local.has_workflows ? 1 : 0

  role_id     = local.reference_tables_role
  title       = "Credix ${var.environment}: makes and changes tables, without their rows"
  permissions = ["bigquery.tables.create", "bigquery.tables.update"]
}

resource "google_project_iam_member" "terraform" {
  for_each = google_project_iam_custom_role.terraform

  project = var.project
  role    = each.value.name
  member  = google_service_account.workflow[each.key].member
}

# Jobs, schedules and pages run as these: who changes a job has to be let act as its identity.
resource "google_service_account_iam_member" "deployer_acts_as" {
  for_each = local.has_workflows ? toset(concat(["workbook", "scheduler"], local.has_pages ? ["pages"] : [])) : toset([])

  service_account_id = google_service_account.purpose[each.value].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.workflow["deployer"].member
}

resource "google_storage_bucket_iam_member" "state" {
  for_each = local.has_workflows ? { planner = "objectViewer", deployer = "objectUser" } : {}

  bucket = var.state_bucket
  role   = "roles/storage.${each.value}"
  member = google_service_account.workflow[each.key].member
}
