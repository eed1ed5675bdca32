# The containers only: a value that Terraform knew would be in its state. Add it by hand, and again to rotate it:
#   printf %s "$VALUE" | gcloud secrets versions add <name> --data-file=-
resource "google_secret_manager_secret" "setting" {
  for_each = local.secrets

  secret_id = "${local.name}-${lower(replace(each.key, "_", "-"))}"
  labels    = local.labels

  replication {
    user_managed {
      replicas {
        location = var.region

        dynamic "customer_managed_encryption" {
          for_each = var.kms_key[*]
          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_secret_manager_secret_iam_member" "workbook" {
  for_each = google_secret_manager_secret.setting

  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.purpose["workbook"].member
}
