locals {
  datasets = {
    temp              = "What a run loads, before dbt merges it; tables expire."
    bronze            = "The newest version of every row of the source."
    silver            = "Cleaned and flagged rows."
    gold              = "What the business reads."
    elementary        = "Elementary's tables."
    elementary__tests = "What Elementary's monitors measure on their way."
  }
}

# Without a list of its own a dataset is open to every viewer and editor of the project. This list is whole: but for the
# project's owners it names identities, each with what its purpose needs (identities.tf).
resource "google_bigquery_dataset" "layer" {
  for_each = local.datasets

  dataset_id  = "${var.prefix}_${each.key}"
  location    = var.region
  description = each.value
  labels      = local.labels

  # The second line: the workbook drops its tables itself, and Elementary those that a monitor measures with.
  default_table_expiration_ms = contains(["temp", "elementary__tests"], each.key) ? var.temp_table_hours * 3600 * 1000 : null
  delete_contents_on_destroy  = false

  access {
    role          = "OWNER"
    special_group = "projectOwners"
  }

  dynamic "access" {
    for_each = local.access_to_datasets[each.key]
    content {
      role           = access.value.role
      user_by_email  = access.value.kind == "group" ? null : access.value.email
      group_by_email = access.value.kind == "group" ? access.value.email : null
    }
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

  depends_on = [
    google_kms_crypto_key_iam_member.agent, google_service_account.purpose, google_service_account.workflow,
    google_project_iam_custom_role.reference_tables,
  ]
}

# The schema that every load is held to. It never expires, unlike its neighbours in the dataset.
resource "google_bigquery_table" "reference" {
  for_each = local.sources

  dataset_id          = google_bigquery_dataset.layer["temp"].dataset_id
  table_id            = "${each.key}_schema"
  description         = "Empty: the columns of ${each.key}, from its contract."
  labels              = local.labels
  deletion_protection = true
  expiration_time     = 253402214400000

  schema = jsonencode(concat(
    jsondecode(file("${local.contract}/${each.key}.json")),
    local.technical_columns,
  ))

  dynamic "encryption_configuration" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = encryption_configuration.value
    }
  }
}
