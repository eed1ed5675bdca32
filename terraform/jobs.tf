resource "google_artifact_registry_repository" "images" {
  repository_id = local.name
  location      = var.region
  format        = "DOCKER"
  description   = "Images of the workbook."
  labels        = local.labels
  kms_key_name  = var.kms_key

  # A signature, a bill of materials and a provenance are written below tags that are named after the image's digest, and
  # written again when a job of the workflow is repeated: immutable tags would refuse the second one. Nothing trusts a tag:
  # stage and prod take an image by its digest only, and the workflow copies one when the digest is signed (image.yml).
  docker_config {
    immutable_tags = false
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_crypto_key_iam_member.agent]
}

locals {
  scratch = "/scratch"
  # The mode of a volume in memory is not documented, and the image's user is not root. Where the volume cannot be written,
  # runs are in /tmp of the image: in memory too, bounded by that of the job alone.
  entry = "test -w ${local.scratch} || export CREDIX_RUN_DIR=/tmp/credix/runs; exec python run_pipeline.py \"$@\""
}

resource "google_cloud_run_v2_job" "workbook" {
  for_each = local.jobs

  name                = "${local.name}-${each.key}"
  location            = var.region
  labels              = local.labels
  deletion_protection = var.environment == "prod"

  template {
    labels = local.labels

    template {
      service_account       = local.by_purpose["workbook"].email
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      # The next run of the schedule finishes what a failed one has left.
      max_retries    = 0
      timeout        = "${var.job.timeout_seconds}s"
      encryption_key = var.kms_key

      containers {
        image   = var.image
        command = ["tini", "--", "sh", "-c", local.entry, "workbook"]
        args    = ["run", each.key]

        resources {
          limits = {
            cpu    = var.job.cpu
            memory = var.job.memory
          }
        }

        # Beside the image's own /tmp, which its user can write to for certain.
        volume_mounts {
          name       = "scratch"
          mount_path = local.scratch
        }

        dynamic "env" {
          for_each = local.settings
          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = local.secrets
          content {
            name = env.value
            value_source {
              secret_key_ref {
                secret  = google_secret_manager_secret.setting[env.value].secret_id
                version = "latest"
              }
            }
          }
        }
      }

      volumes {
        name = "scratch"
        empty_dir {
          medium     = "MEMORY"
          size_limit = var.job.tmp
        }
      }

      dynamic "vpc_access" {
        for_each = var.network[*]
        content {
          egress = "PRIVATE_RANGES_ONLY"
          network_interfaces {
            network    = vpc_access.value.network
            subnetwork = vpc_access.value.subnetwork
          }
        }
      }
    }
  }

  depends_on = [
    google_secret_manager_secret_iam_member.workbook,
    google_service_account_iam_member.may_act_as,
    google_pubsub_topic_iam_member.publisher,
    google_kms_crypto_key_iam_member.agent,
  ]
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  for_each = google_cloud_run_v2_job.workbook

  name     = each.value.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.purpose["scheduler"].member
}

resource "google_cloud_scheduler_job" "schedule" {
  for_each = local.jobs

  name             = "${local.name}-${each.key}"
  region           = var.region
  description      = "Starts the job ${each.key} of the workbook."
  schedule         = each.value
  time_zone        = var.timezone
  attempt_deadline = "60s"

  # The next turn comes soon enough; of two at once the second would only wait for the first.
  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project}/locations/${var.region}/jobs/${google_cloud_run_v2_job.workbook[each.key].name}:run"

    oauth_token {
      service_account_email = local.by_purpose["scheduler"].email
    }
  }

  depends_on = [google_cloud_run_v2_job_iam_member.scheduler]
}
