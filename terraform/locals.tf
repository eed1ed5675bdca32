locals {
  name     = "credix-${var.environment}"
  contract = "${path.module}/../lib/contracts"

  # What is replicated is written in the contracts and nowhere else: tables, columns, jobs and their times.
  declared = yamldecode(file("${local.contract}/sources.yml"))
  sources  = toset(keys(local.declared))
  tables = {
    for source, declared in local.declared : source => {
      table  = declared.table
      schema = coalesce(try(declared.schema, null), var.postgres.schema)
    }
  }
  technical_columns = jsondecode(file("${local.contract}/technical.json"))
  # Of each source the job that runs it alone; then those of jobs.yml.
  own_jobs  = { for source, declared in local.declared : try(declared.job, source) => try(declared.schedule, null) }
  all_jobs  = merge(local.own_jobs, { full = null, monitoring = null }, yamldecode(file("${local.contract}/jobs.yml")))
  schedules = var.schedules == null ? tomap({ for job, line in local.all_jobs : job => line if line != null }) : var.schedules

  labels = {
    product     = "credix"
    environment = var.environment
  }

  # What the workbook receives; its secrets come from Secret Manager.
  settings = merge(var.settings, {
    CREDIX_ENV               = var.environment
    CREDIX_CONFIRM_ENV       = var.environment
    GCP_PROJECT              = var.project
    CREDIX_BIGQUERY_LOCATION = var.region
    CREDIX_PREFIX            = var.prefix
    CREDIX_LAKE_BUCKET       = var.buckets.lake
    CREDIX_ARCHIVE_BUCKET    = var.buckets.archive
    CREDIX_REPORT_BUCKET     = var.buckets.report
    CREDIX_RUNS_BUCKET       = var.buckets.runs
    CREDIX_TIMEZONE          = var.timezone
    CREDIX_TEMP_TABLE_HOURS  = tostring(var.temp_table_hours)
    CREDIX_LOG_FORMAT        = "json"
    CREDIX_TRIGGER           = "schedule"
    CREDIX_SCHEDULE          = join("; ", [for job, line in local.schedules : "${job}=${line}"])
    # A volume in memory (jobs.tf): a slice must leave room for the rest.
    CREDIX_RUN_DIR     = "${local.scratch}/runs"
    CREDIX_SLICE_BYTES = lookup(var.settings, "CREDIX_SLICE_BYTES", tostring(512 * 1024 * 1024))
    POSTGRES_HOST      = try(module.cloud_sql_source[0].host, var.postgres.host)
    POSTGRES_PORT      = tostring(var.postgres.port)
    POSTGRES_DB        = var.postgres.db
    POSTGRES_USER      = var.postgres.user
    POSTGRES_SCHEMA    = var.postgres.schema
    POSTGRES_SSLMODE   = var.postgres.sslmode
    # dbt's queries run as an identity that reads what was loaded and writes what it builds.
    CREDIX_DBT_IMPERSONATE_SERVICE_ACCOUNT = local.by_purpose["dbt"].email
  }, local.alert_topic, local.certificate, local.has_pages ? { CREDIX_PAGES_URL = local.pages_url } : {})
  alert_topic = var.has_alert_topic ? { CREDIX_ALERT_TOPIC = "projects/${var.project}/topics/${local.name}-alerts" } : {}
  certificate = var.postgres.sslrootcert == null ? {} : { POSTGRES_SSLROOTCERT = var.postgres.sslrootcert }
  secrets     = setunion(["POSTGRES_PASSWORD"], var.optional_secrets)
  jobs        = var.image == null ? {} : local.schedules
}
