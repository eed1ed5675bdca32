# Where the workbook's own alerts go besides its channels; a message holds no row and no secret (docs/how-to/alerts.md).
resource "google_pubsub_topic" "alerts" {
  count = var.has_alert_topic ? 1 : 0

  name         = "${local.name}-alerts"
  labels       = local.labels
  kms_key_name = var.kms_key

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = var.has_alert_topic ? toset([for purpose in ["workbook", "operator"] : purpose if contains(keys(google_service_account.purpose), purpose)]) : []

  topic  = google_pubsub_topic.alerts[0].id
  role   = "roles/pubsub.publisher"
  member = google_service_account.purpose[each.key].member
}
