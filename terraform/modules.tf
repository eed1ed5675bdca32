module "datastream" {
  source = "./modules/datastream"
  count  = var.datastream == null ? 0 : 1

  name         = local.name
  region       = var.region
  labels       = local.labels
  network      = try(var.network.network, "")
  settings     = var.datastream
  source_host  = try(module.cloud_sql_source[0].host, var.postgres.host)
  postgres     = var.postgres
  tables       = local.tables
  lake         = google_storage_bucket.store["lake"].name
  folder       = "${var.prefix}/datastream"
  dataset      = "${var.prefix}_datastream"
  agent        = local.agents["datastream"]
  kms_key      = var.kms_key
  kms_is_ready = [for grant in google_kms_crypto_key_iam_member.agent : grant.id]
}

module "cloud_sql_source" {
  source = "./modules/cloud_sql_source"
  count  = var.cloud_sql == null ? 0 : 1

  name         = local.name
  region       = var.region
  labels       = local.labels
  network      = try(var.network.network, "")
  database     = var.postgres.db
  is_protected = var.environment != "dev"
  settings     = var.cloud_sql
  kms_key      = var.kms_key
  kms_is_ready = [for grant in google_kms_crypto_key_iam_member.agent : grant.id]
}
