# One identity per purpose, each with the least it needs, on single datasets, buckets and secrets. No one but the
# project's owners can read all of it, and no key of any of them is made.
locals {
  purposes = merge({
    workbook  = "carries rows from the source to bronze, and archives"
    dbt       = "builds bronze, silver and gold from what was loaded"
    scheduler = "starts the jobs, and can do nothing else"
    },
    length(var.operators) == 0 ? {} : { operator = "mends: replays, reconciles, erases" },
    length(var.dashboards) == 0 ? {} : { reader = "reads gold, for BI tools" },
    var.pages == null ? {} : { pages = "shows pages to people who have logged in" },
  )
}

resource "google_service_account" "purpose" {
  for_each = local.purposes

  account_id   = "${local.name}-${each.key}"
  display_name = "Credix ${var.environment}: ${each.key}"
  description  = each.value
}

locals {
  # Written out, not asked for: so a plan shows who gets in before anything is made.
  by_purpose = {
    for purpose in keys(local.purposes) :
    purpose => { kind = "user", email = "${local.name}-${purpose}@${var.project}.iam.gserviceaccount.com" }
  }
  people = {
    for member in var.analysts : member => { kind = split(":", member)[0], email = split(":", member)[1] }
  }

  # Who has which role on which dataset. Only what writes gold may write gold; only the source's columns reach the rest.
  layers_of = {
    workbook = { WRITER = ["temp", "bronze"], READER = ["silver", "gold", "elementary", "elementary__tests"] }
    dbt      = { WRITER = ["bronze", "silver", "gold", "elementary", "elementary__tests"], READER = ["temp"] }
    operator = { WRITER = keys(local.datasets), READER = [] }
    reader   = { WRITER = [], READER = ["gold"] }
  }
  access_to_datasets = {
    for layer in keys(local.datasets) : layer => concat(
      flatten([
        for purpose, account in local.by_purpose : [
          for role, layers in lookup(local.layers_of, purpose, {}) : merge(account, { role = role }) if contains(layers, layer)
        ]
      ]),
      layer == "gold" ? [for person in local.people : merge(person, { role = "READER" })] : [],
      layer == "temp" && local.has_workflows ? [
        { kind = "user", email = local.deployer, role = "projects/${var.project}/roles/${local.reference_tables_role}" }
      ] : [],
    )
  }

  # The archive is write-once: create and read, never delete or overwrite; the operator may delete what is not retained.
  on_buckets = {
    "workbook lake"            = { purpose = "workbook", bucket = "lake", role = "objectUser" }
    "workbook report"          = { purpose = "workbook", bucket = "report", role = "objectUser" }
    "workbook runs"            = { purpose = "workbook", bucket = "runs", role = "objectUser" }
    "workbook archive creates" = { purpose = "workbook", bucket = "archive", role = "objectCreator" }
    "workbook archive reads"   = { purpose = "workbook", bucket = "archive", role = "objectViewer" }
    "operator lake"            = { purpose = "operator", bucket = "lake", role = "objectUser" }
    "operator archive"         = { purpose = "operator", bucket = "archive", role = "objectUser" }
    "operator report"          = { purpose = "operator", bucket = "report", role = "objectUser" }
    "operator runs"            = { purpose = "operator", bucket = "runs", role = "objectUser" }
    "reader report"            = { purpose = "reader", bucket = "report", role = "objectViewer" }
  }

  # BigQuery knows the right to run a query, and to read through the Storage API, on projects only.
  on_project = merge(
    { for purpose in ["workbook", "operator", "reader"] : "${purpose} reads" => { purpose = purpose, role = "readSessionUser" } },
    { for purpose in ["workbook", "dbt", "operator", "reader"] : "${purpose} queries" => { purpose = purpose, role = "jobUser" } },
  )
}

resource "google_project_iam_member" "purpose" {
  for_each = { for name, grant in local.on_project : name => grant if contains(keys(local.purposes), grant.purpose) }

  project = var.project
  role    = "roles/bigquery.${each.value.role}"
  member  = google_service_account.purpose[each.value.purpose].member
}

# To see and cancel the jobs that it has sent itself: a run cancels those of an earlier attempt that was killed. jobUser
# sends jobs and may not list them; the predefined roles that may, may see everybody's or create datasets.
resource "google_project_iam_custom_role" "own_jobs" {
  role_id     = replace("${local.name}-own-jobs", "-", "_")
  title       = "Credix ${var.environment}: lists its own jobs"
  permissions = ["bigquery.jobs.list"]
}

resource "google_project_iam_member" "own_jobs" {
  for_each = setintersection(["workbook", "dbt", "operator"], keys(local.purposes))

  project = var.project
  role    = google_project_iam_custom_role.own_jobs.name
  member  = google_service_account.purpose[each.value].member
}

resource "google_storage_bucket_iam_member" "purpose" {
  for_each = { for name, grant in local.on_buckets : name => grant if contains(keys(local.purposes), grant.purpose) }

  bucket = google_storage_bucket.store[each.value.bucket].name
  role   = "roles/storage.${each.value.role}"
  member = google_service_account.purpose[each.value.purpose].member
}

# Who may take on which identity: dbt's by those who run it, the others by the people and tools named for it.
locals {
  may_act_as = merge(
    { for purpose in ["workbook", "operator"] : "dbt ${purpose}" => {
      purpose = "dbt", member = "serviceAccount:${try(local.by_purpose[purpose].email, "")}"
    } if contains(keys(local.purposes), purpose) },
    { for member in var.operators : "operator ${member}" => { purpose = "operator", member = member } },
    # dbt knows no chain: it asks with the person's own credentials, whatever identity the rest of the workbook takes on.
    { for member in var.operators : "dbt ${member}" => { purpose = "dbt", member = member } },
    { for member in var.dashboards : "reader ${member}" => { purpose = "reader", member = member } },
  )
}

resource "google_service_account_iam_member" "may_act_as" {
  for_each = local.may_act_as

  service_account_id = google_service_account.purpose[each.value.purpose].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value.member
}

# Files from outside (docs/how-to/external-files.md): who brings them creates, and reads nothing.
resource "google_storage_bucket_iam_member" "writers" {
  for_each = var.writers

  bucket = google_storage_bucket.store["lake"].name
  role   = "roles/storage.objectCreator"
  member = each.value

  condition {
    title      = "external files only"
    expression = "resource.name.startsWith(\"projects/_/buckets/${var.buckets.lake}/objects/${var.prefix}/landing/external/\")"
  }
}

resource "google_project_iam_member" "analysts" {
  for_each = var.analysts

  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = each.value
}

resource "google_storage_bucket_iam_member" "analysts" {
  for_each = var.analysts

  bucket = google_storage_bucket.store["report"].name
  role   = "roles/storage.objectViewer"
  member = each.value
}

# The archive holds rows as Parquet beside the runs: auditors see the runs alone.
resource "google_storage_bucket_iam_member" "auditors" {
  for_each = var.auditors

  bucket = google_storage_bucket.store["archive"].name
  role   = "roles/storage.objectViewer"
  member = each.value

  condition {
    title      = "runs only"
    expression = "resource.name.startsWith(\"projects/_/buckets/${var.buckets.archive}/objects/${var.prefix}/runs/\")"
  }
}

resource "google_storage_bucket_iam_member" "auditors_on_runs" {
  for_each = var.auditors

  bucket = google_storage_bucket.store["runs"].name
  role   = "roles/storage.objectViewer"
  member = each.value
}
