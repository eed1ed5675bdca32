# Datastream reads the log of PostgreSQL and writes every change, by a connection that never leaves Google's network.
# Its slot and publication are made by the source's owner (docs/how-to/google-cloud.md): Terraform has no password of it.
locals {
  name          = "${var.name}-datastream"
  is_to_landing = var.settings.destination == "landing"
}

resource "google_compute_subnetwork" "datastream" {
  # checkov:skip=CKV_GCP_26: only Datastream's interface lies in here; what it reads stands in the audit logs
  # checkov:skip=CKV_GCP_76: the subnetwork has addresses of version 4 alone
  name                     = local.name
  region                   = var.region
  network                  = var.network
  ip_cidr_range            = var.settings.subnet_cidr
  private_ip_google_access = true
}

# Datastream joins by an interface of its own; projects that are not named are refused.
resource "google_compute_network_attachment" "datastream" {
  name                  = local.name
  region                = var.region
  connection_preference = "ACCEPT_MANUAL"
  producer_accept_lists = var.settings.producer_projects
  subnetworks           = [google_compute_subnetwork.datastream.id]
}

# From that interface to the source's port, and nowhere else.
resource "google_compute_firewall" "to_source" {
  name               = "${local.name}-to-source"
  network            = var.network
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = ["${var.source_host}/32"]
  source_ranges      = [var.settings.subnet_cidr]

  allow {
    protocol = "tcp"
    ports    = [tostring(var.postgres.port)]
  }
}

resource "google_compute_firewall" "nowhere_else" {
  name               = "${local.name}-nowhere-else"
  network            = var.network
  direction          = "EGRESS"
  priority           = 2000
  destination_ranges = ["0.0.0.0/0"]
  source_ranges      = [var.settings.subnet_cidr]

  deny {
    protocol = "all"
  }
}

resource "google_datastream_private_connection" "source" {
  private_connection_id = local.name
  display_name          = local.name
  location              = var.region
  labels                = var.labels

  psc_interface_config {
    network_attachment = google_compute_network_attachment.datastream.id
  }
}

# The place of the password; its value is added by hand and read by Datastream alone.
resource "google_secret_manager_secret" "password" {
  secret_id = "${local.name}-password"
  labels    = var.labels

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

  depends_on = [var.kms_is_ready]
}

resource "google_secret_manager_secret_iam_member" "datastream" {
  secret_id = google_secret_manager_secret.password.id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${var.agent}"
}

resource "google_datastream_connection_profile" "source" {
  connection_profile_id     = "${local.name}-source"
  display_name              = "${local.name}-source"
  location                  = var.region
  labels                    = var.labels
  create_without_validation = !var.settings.is_running

  postgresql_profile {
    hostname                       = var.source_host
    port                           = var.postgres.port
    database                       = var.postgres.db
    username                       = var.settings.user
    secret_manager_stored_password = "${google_secret_manager_secret.password.id}/versions/latest"
  }

  private_connectivity {
    private_connection = google_datastream_private_connection.source.id
  }

  depends_on = [google_secret_manager_secret_iam_member.datastream]
}

resource "google_datastream_connection_profile" "destination" {
  connection_profile_id = "${local.name}-destination"
  display_name          = "${local.name}-destination"
  location              = var.region
  labels                = var.labels

  dynamic "gcs_profile" {
    for_each = local.is_to_landing ? [var.lake] : []
    content {
      bucket    = gcs_profile.value
      root_path = "/${var.folder}"
    }
  }

  dynamic "bigquery_profile" {
    for_each = local.is_to_landing ? [] : [var.dataset]
    content {}
  }
}

# In its folder of the lake it creates files, and reads none of its neighbours.
resource "google_storage_bucket_iam_member" "writes" {
  count = local.is_to_landing ? 1 : 0

  bucket = var.lake
  role   = "roles/storage.objectCreator"
  member = "serviceAccount:${var.agent}"

  condition {
    title      = "own folder only"
    expression = "resource.name.startsWith(\"projects/_/buckets/${var.lake}/objects/${var.folder}/\")"
  }
}

resource "google_storage_bucket_iam_member" "sees_bucket" {
  count = local.is_to_landing ? 1 : 0

  bucket = var.lake
  role   = "roles/storage.bucketViewer"
  member = "serviceAccount:${var.agent}"
}

# The newest state of every row as Datastream has it, beside bronze: nothing of the workbook reads or writes here.
resource "google_bigquery_dataset" "mirror" {
  count = local.is_to_landing ? 0 : 1

  dataset_id                 = var.dataset
  location                   = var.region
  description                = "What Datastream has replicated."
  labels                     = var.labels
  delete_contents_on_destroy = false

  access {
    role          = "OWNER"
    special_group = "projectOwners"
  }
  access {
    role          = "WRITER"
    user_by_email = var.agent
  }

  dynamic "default_encryption_configuration" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [var.kms_is_ready]
}

resource "google_datastream_stream" "changes" {
  stream_id                       = local.name
  display_name                    = local.name
  location                        = var.region
  labels                          = var.labels
  desired_state                   = var.settings.is_running ? "RUNNING" : "NOT_STARTED"
  create_without_validation       = !var.settings.is_running
  customer_managed_encryption_key = var.kms_key

  source_config {
    source_connection_profile = google_datastream_connection_profile.source.id

    postgresql_source_config {
      publication      = var.settings.publication
      replication_slot = var.settings.replication_slot

      include_objects {
        dynamic "postgresql_schemas" {
          for_each = toset([for one in var.tables : one.schema])
          content {
            schema = postgresql_schemas.value

            dynamic "postgresql_tables" {
              for_each = toset([for one in var.tables : one.table if one.schema == postgresql_schemas.value])
              content {
                table = postgresql_tables.value
              }
            }
          }
        }
      }
    }
  }

  destination_config {
    destination_connection_profile = google_datastream_connection_profile.destination.id

    dynamic "gcs_destination_config" {
      for_each = local.is_to_landing ? [var.settings] : []
      content {
        path                   = "/changes"
        file_rotation_mb       = gcs_destination_config.value.file_rotation_mb
        file_rotation_interval = "${gcs_destination_config.value.file_rotation_every}s"
        avro_file_format {}
      }
    }

    dynamic "bigquery_destination_config" {
      for_each = local.is_to_landing ? [] : [var.settings]
      content {
        data_freshness = "${bigquery_destination_config.value.freshness_seconds}s"
        merge {}
        single_target_dataset {
          dataset_id = google_bigquery_dataset.mirror[0].id
        }
      }
    }
  }

  backfill_all {}

  depends_on = [
    google_storage_bucket_iam_member.writes,
    google_storage_bucket_iam_member.sees_bucket,
    var.kms_is_ready,
  ]
}
