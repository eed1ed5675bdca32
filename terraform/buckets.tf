locals {
  buckets = {
    # Landing, failed files and state. Old generations of the state are how it is restored.
    lake = { keeps_versions = true, cold_after = null, deleted_after = null }
    # Loaded files and runs; what lies there stays as it is for the time of the retention.
    archive = { keeps_versions = false, cold_after = 90, deleted_after = var.archive_deletion_days }
    # Pages that each run may write anew.
    report = { keeps_versions = true, cold_after = null, deleted_after = null }
    runs   = { keeps_versions = true, cold_after = null, deleted_after = null }
  }
}

resource "google_storage_bucket" "store" {
  for_each = local.buckets

  name                        = var.buckets[each.key]
  location                    = var.region
  labels                      = local.labels
  force_destroy               = false
  uniform_bucket_level_access = true
  public_access_prevention    = each.key == "report" && var.is_report_public ? "inherited" : "enforced"

  versioning {
    enabled = each.value.keeps_versions
  }

  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 3600
  }

  dynamic "retention_policy" {
    for_each = each.key == "archive" ? [var.archive_retention_days] : []
    content {
      retention_period = retention_policy.value * 24 * 3600
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.cold_after[*]
    content {
      condition {
        age = lifecycle_rule.value
      }
      action {
        type          = "SetStorageClass"
        storage_class = "COLDLINE"
      }
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.deleted_after[*]
    content {
      condition {
        age = lifecycle_rule.value
      }
      action {
        type = "Delete"
      }
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.keeps_versions ? [30] : []
    content {
      condition {
        days_since_noncurrent_time = lifecycle_rule.value
      }
      action {
        type = "Delete"
      }
    }
  }

  # What a run that died in the middle of an upload has left.
  lifecycle_rule {
    condition {
      age = 1
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  dynamic "website" {
    for_each = each.key == "report" ? ["index.html"] : []
    content {
      main_page_suffix = website.value
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_storage_bucket_iam_member" "public_report" {
  count = var.is_report_public ? 1 : 0

  bucket = google_storage_bucket.store["report"].name
  role   = "roles/storage.objectViewer"
  member = "allUsers"
}
