locals {
  # Of the days that a rule waits for; folders below the prefix and endings of names, none for all objects.
  buckets = {
    # Landing, failed files and state. Old generations of the state are how it is restored.
    lake = {
      keeps_versions = true
      rules = [
        { days = var.failed_deletion_days, folders = ["${var.prefix}/failed/", "sandbox_${var.prefix}/"], endings = [], class = null },
      ]
    }
    # Loaded files and runs; what is there stays as it is for the time of the retention.
    archive = {
      keeps_versions = false
      rules = [
        # Runs are thousands of small objects a day: to move one costs more than a colder class spares.
        { days = 90, folders = [], endings = [".parquet"], class = "COLDLINE" },
        { days = var.archive_deletion_days, folders = [], endings = [], class = null },
      ]
    }
    # Pages that each run may write again, and one report per run that stays.
    report = {
      keeps_versions = true
      rules = [
        { days = 90, folders = ["${var.prefix}/reports/"], endings = [], class = "NEARLINE" },
        { days = var.report_deletion_days, folders = ["${var.prefix}/reports/"], endings = [], class = null },
      ]
    }
    runs = { keeps_versions = true, rules = [] }
  }
}

resource "google_storage_bucket" "store" {
  # checkov:skip=CKV_GCP_62: usage logs are replaced by Cloud Audit Logs of every read and write (audit.tf)
  # checkov:skip=CKV_GCP_78: the archive alone has no versions: retention and an identity that cannot delete keep it
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
    retention_duration_seconds = var.soft_delete_days * 24 * 3600
  }

  # The terms are archive_retention_days in variables.tf, per environment in environments/.
  dynamic "retention_policy" {
    for_each = each.key == "archive" ? [var.archive_retention_days] : []
    content {
      retention_period = retention_policy.value * 24 * 3600
      is_locked        = var.is_archive_locked
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.rules
    content {
      condition {
        age            = lifecycle_rule.value.days
        matches_prefix = lifecycle_rule.value.folders
        matches_suffix = lifecycle_rule.value.endings
      }
      action {
        type          = lifecycle_rule.value.class == null ? "Delete" : "SetStorageClass"
        storage_class = lifecycle_rule.value.class
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

  dynamic "encryption" {
    for_each = var.kms_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

# A new bucket lets every viewer of the project read its objects, and every editor write them. These bindings are
# whole: but for the owners of the project, only those named in identities.tf get in.
resource "google_storage_bucket_iam_binding" "owners_only" {
  for_each = {
    for pair in setproduct(keys(local.buckets), ["BucketOwner", "BucketReader", "ObjectOwner", "ObjectReader"]) :
    "${pair[0]} ${pair[1]}" => { bucket = pair[0], role = "roles/storage.legacy${pair[1]}" }
  }

  bucket = google_storage_bucket.store[each.value.bucket].name
  role   = each.value.role
  # The public reads a page whose address it knows; to list all of them takes another role.
  members = concat(
    ["projectOwner:${var.project}"],
    each.key == "report ObjectReader" && var.is_report_public ? ["allUsers"] : [],
  )
}
