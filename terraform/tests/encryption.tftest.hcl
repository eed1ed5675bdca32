mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project     = "credix-test"
  environment = "dev"
  image       = "southamerica-east1-docker.pkg.dev/credix-test/credix-dev/workbook:1"
  buckets     = { lake = "t-lake", archive = "t-archive", report = "t-report", runs = "t-runs" }
  postgres    = { host = "10.0.0.3", db = "credit", user = "reader" }
}

run "without_a_key_google_keeps_its_own" {
  command = plan

  assert {
    condition     = length(google_kms_crypto_key_iam_member.agent) == 0
    error_message = "No agent needs a key."
  }
}

run "with_a_key_everything_at_rest_has_it" {
  command = plan

  variables {
    kms_key         = "projects/keys/locations/southamerica-east1/keyRings/credix/cryptoKeys/data"
    has_alert_topic = true
  }

  assert {
    condition = alltrue(concat(
      [for bucket in google_storage_bucket.store : bucket.encryption[0].default_kms_key_name == var.kms_key],
      [for dataset in google_bigquery_dataset.layer : dataset.default_encryption_configuration[0].kms_key_name == var.kms_key],
      [for table in google_bigquery_table.reference : table.encryption_configuration[0].kms_key_name == var.kms_key],
      [for job in google_cloud_run_v2_job.workbook : job.template[0].template[0].encryption_key == var.kms_key],
      [google_artifact_registry_repository.images.kms_key_name == var.kms_key, google_pubsub_topic.alerts[0].kms_key_name == var.kms_key],
    ))
    error_message = "Buckets, datasets, tables, images, jobs and the topic are encrypted by the key."
  }
  assert {
    condition = {
      for service, grant in google_kms_crypto_key_iam_member.agent : service => grant.member
      } == {
      artifactregistry = "serviceAccount:service-123456789012@gcp-sa-artifactregistry.iam.gserviceaccount.com"
      bigquery         = "serviceAccount:bq-123456789012@bigquery-encryption.iam.gserviceaccount.com"
      pubsub           = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
      run              = "serviceAccount:service-123456789012@serverless-robot-prod.iam.gserviceaccount.com"
      secretmanager    = "serviceAccount:service-123456789012@gcp-sa-secretmanager.iam.gserviceaccount.com"
      storage          = "serviceAccount:service-123456789012@gs-project-accounts.iam.gserviceaccount.com"
    }
    error_message = "Google's agents, and no identity of ours, use the key."
  }
}
