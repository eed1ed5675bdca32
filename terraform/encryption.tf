# With a key of one's own, each service encrypts as an agent of Google's in the project. Those of Secret Manager and
# Artifact Registry exist after `gcloud beta services identity create --service=…` (docs/how-to/google-cloud.md).
locals {
  number = data.google_project.this.number
  agents = {
    storage          = "service-${local.number}@gs-project-accounts.iam.gserviceaccount.com"
    bigquery         = "bq-${local.number}@bigquery-encryption.iam.gserviceaccount.com"
    secretmanager    = "service-${local.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
    artifactregistry = "service-${local.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
    run              = "service-${local.number}@serverless-robot-prod.iam.gserviceaccount.com"
    pubsub           = "service-${local.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    datastream       = "service-${local.number}@gcp-sa-datastream.iam.gserviceaccount.com"
    sql              = "service-${local.number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"
  }
  encrypting = toset(var.kms_key == null ? [] : concat(
    ["storage", "bigquery", "secretmanager", "artifactregistry", "run"],
    var.has_alert_topic ? ["pubsub"] : [],
    var.datastream == null ? [] : ["datastream"],
    var.cloud_sql == null ? [] : ["sql"],
  ))
}

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each = local.encrypting

  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${local.agents[each.value]}"
}
