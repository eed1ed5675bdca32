data "google_project" "this" {
  project_id = var.project
}

# Who read or wrote what: BigQuery always says so, the others only when configured to. It replaces usage logs of buckets.
# With these logs on, https://storage.cloud.google.com/… takes no login: addresses lead elsewhere (pages.tf).
resource "google_project_iam_audit_config" "data_access" {
  for_each = var.audits_data_access ? toset(["storage.googleapis.com", "secretmanager.googleapis.com"]) : toset([])

  project = var.project
  service = each.value

  dynamic "audit_log_config" {
    for_each = toset(["DATA_READ", "DATA_WRITE"])
    content {
      log_type = audit_log_config.value
    }
  }
}
