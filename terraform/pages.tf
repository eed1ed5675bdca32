# Pages for people, where var.pages names them: a Cloud Run service that shows the report, the page of all runs and the
# archived notebooks after a login. Identity-Aware Proxy asks who it is; no one else can invoke the service. It reads
# pages, and nothing else: no row, no state, no secret (lib/credix/operations/page_server.py, docs/decisions).
locals {
  has_pages = var.pages != null
  # It serves from the workbook's image, once there is one.
  pages_image = local.has_pages ? var.image : null
  # Known before the service is: the workbook receives the address of its pages.
  pages_url = "https://${local.name}-pages-${local.number}.${var.region}.run.app"
  pages_of = {
    report  = { folder = "${var.buckets.report}/${var.prefix}/", objects = "${var.prefix}/" }
    runs    = { folder = "${var.buckets.runs}/${var.prefix}/", objects = "${var.prefix}/" }
    archive = { folder = "${var.buckets.archive}/${var.prefix}/runs/", objects = "${var.prefix}/runs/" }
  }
}

resource "google_storage_bucket_iam_member" "pages" {
  for_each = local.has_pages ? local.pages_of : {}

  bucket = google_storage_bucket.store[each.key].name
  role   = "roles/storage.objectViewer"
  member = google_service_account.purpose["pages"].member

  condition {
    title      = "pages only"
    expression = "resource.name.startsWith(\"projects/_/buckets/${var.buckets[each.key]}/objects/${each.value.objects}\")"
  }
}

resource "google_cloud_run_v2_service" "pages" {
  count = local.pages_image == null ? 0 : 1

  name                 = "${local.name}-pages"
  location             = var.region
  description          = "Shows reports, the page of all runs and archived notebooks, after a login."
  labels               = local.labels
  deletion_protection  = var.environment == "prod"
  ingress              = "INGRESS_TRAFFIC_ALL"
  iap_enabled          = true
  invoker_iam_disabled = false

  scaling {
    min_instance_count = 0
    max_instance_count = 2
  }

  template {
    labels                           = local.labels
    service_account                  = local.by_purpose["pages"].email
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    encryption_key                   = var.kms_key
    timeout                          = "60s"
    max_instance_request_concurrency = 16

    containers {
      image   = local.pages_image
      command = ["tini", "--", "python", "-m", "credix.operations.page_server"]
      args    = concat(["--port", "8080"], sort([for place in local.pages_of : place.folder]))

      ports {
        container_port = 8080
      }

      resources {
        limits = {
          cpu    = "1"
          memory = "512Mi"
        }
      }

      env {
        name  = "GOOGLE_CLOUD_PROJECT"
        value = var.project
      }
    }
  }

  depends_on = [google_storage_bucket_iam_member.pages, google_kms_crypto_key_iam_member.agent]
}

# The proxy's own identity alone invokes it. It exists after
# `gcloud beta services identity create --service=iap.googleapis.com` (docs/how-to/google-cloud.md).
resource "google_cloud_run_v2_service_iam_binding" "pages" {
  count = length(google_cloud_run_v2_service.pages)

  name     = google_cloud_run_v2_service.pages[0].name
  location = var.region
  role     = "roles/run.invoker"
  members  = ["serviceAccount:service-${local.number}@gcp-sa-iap.iam.gserviceaccount.com"]
}

# The whole list of who may log in.
resource "google_iap_web_cloud_run_service_iam_policy" "pages" {
  count = length(google_cloud_run_v2_service.pages)

  project                = var.project
  location               = var.region
  cloud_run_service_name = google_cloud_run_v2_service.pages[0].name
  policy_data = jsonencode({
    bindings = [{ role = "roles/iap.httpsResourceAccessor", members = sort(var.pages.readers) }]
  })
}
