# A PostgreSQL for the source tables: a private address, encrypted connections only, a log that can be replicated.
# Users and their passwords are made by hand (docs/how-to/google-cloud.md): here they would be in the state.
resource "google_compute_global_address" "sql" {
  name          = "${var.name}-sql"
  network       = var.network
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = var.settings.address_range
  prefix_length = 24
}

resource "google_service_networking_connection" "sql" {
  network                 = var.network
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.sql.name]
}

resource "google_sql_database_instance" "source" {
  # checkov:skip=CKV_GCP_6: ENCRYPTED_ONLY refuses clear text; the check would have a certificate of every client
  # checkov:skip=CKV_GCP_79: the version is a setting; a newer one is taken up on purpose (docs/explanation/production.md)
  name                = "${var.name}-source"
  region              = var.region
  database_version    = var.settings.database_version
  deletion_protection = var.is_protected
  encryption_key_name = var.kms_key

  settings {
    tier                        = var.settings.tier
    edition                     = "ENTERPRISE"
    availability_type           = var.settings.is_regional ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.settings.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.is_protected
    user_labels                 = var.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "04:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 14
      }
    }

    maintenance_window {
      day          = 7
      hour         = 6
      update_track = "stable"
    }

    password_validation_policy {
      enable_password_policy      = true
      min_length                  = 16
      complexity                  = "COMPLEXITY_DEFAULT"
      disallow_username_substring = true
    }

    dynamic "database_flags" {
      for_each = local.flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_service_networking_connection.sql, var.kms_is_ready]
}

locals {
  # Capture by log and Datastream need the first one; statements are never logged, since they quote values.
  flags = {
    "cloudsql.logical_decoding"   = "on"
    "cloudsql.enable_pgaudit"     = "on"
    "cloudsql.iam_authentication" = "on"
    "log_checkpoints"             = "on"
    "log_connections"             = "on"
    "log_disconnections"          = "on"
    "log_duration"                = "on"
    "log_error_verbosity"         = "terse"
    "log_hostname"                = "on"
    "log_lock_waits"              = "on"
    "log_min_duration_statement"  = "-1"
    "log_min_error_statement"     = "panic"
    "log_min_messages"            = "error"
    "log_statement"               = "none"
    "log_temp_files"              = "0"
    "pgaudit.log"                 = "ddl,role"
  }
}

resource "google_sql_database" "source" {
  name     = var.database
  instance = google_sql_database_instance.source.name
}
