# One identity per purpose, each with the least it needs, on single datasets and buckets.

resource "google_service_account" "workbook" {
  account_id   = "${local.name}-workbook"
  display_name = "Credix ${var.environment}: runs the workbook"
}

resource "google_service_account" "scheduler" {
  account_id   = "${local.name}-scheduler"
  display_name = "Credix ${var.environment}: starts the jobs, and can do nothing else"
}

# BigQuery knows the right to run a query, and to read through the Storage API, on projects only.
resource "google_project_iam_member" "workbook" {
  for_each = toset(["roles/bigquery.jobUser", "roles/bigquery.readSessionUser"])

  project = var.project
  role    = each.value
  member  = google_service_account.workbook.member
}

resource "google_bigquery_dataset_iam_member" "workbook" {
  for_each = google_bigquery_dataset.layer

  dataset_id = each.value.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.workbook.member
}

locals {
  # The archive is write-once: create and read, never delete or overwrite.
  workbook_on_buckets = {
    lake            = { bucket = "lake", role = "roles/storage.objectUser" }
    report          = { bucket = "report", role = "roles/storage.objectUser" }
    runs            = { bucket = "runs", role = "roles/storage.objectUser" }
    archive_creates = { bucket = "archive", role = "roles/storage.objectCreator" }
    archive_reads   = { bucket = "archive", role = "roles/storage.objectViewer" }
  }
}

resource "google_storage_bucket_iam_member" "workbook" {
  for_each = local.workbook_on_buckets

  bucket = google_storage_bucket.store[each.value.bucket].name
  role   = each.value.role
  member = google_service_account.workbook.member
}

resource "google_project_iam_member" "analysts" {
  for_each = var.analysts

  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = each.value
}

resource "google_bigquery_dataset_iam_member" "analysts" {
  for_each = var.analysts

  dataset_id = google_bigquery_dataset.layer["gold"].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
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
