output "image_repository" {
  description = "Where images are pushed to."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "pages" {
  description = "Where people read pages after a login; null without pages."
  value       = local.has_pages ? local.pages_url : null
}

output "secrets" {
  description = "Secrets that wait for their value, by setting."
  value       = { for setting, secret in google_secret_manager_secret.setting : setting => secret.secret_id }
}

output "settings" {
  description = "The workbook's settings, to run it from elsewhere against this environment; no secrets."
  value       = local.settings
}

output "workload_identity_provider" {
  description = "What the workflows log in with; null without a repository."
  value       = one(google_iam_workload_identity_pool_provider.github[*].name)
}

output "workflow_identities" {
  description = "The identities that workflows take on, by role; empty without a repository."
  value       = { for role, account in google_service_account.workflow : role => account.email }
}

output "identities" {
  description = "The identities by purpose, to take on from a laptop where that is allowed."
  value       = { for purpose, account in google_service_account.purpose : purpose => account.email }
}

output "source_host" {
  description = "Private address of the Cloud SQL source; null where the source is another server."
  value       = one(module.cloud_sql_source[*].host)
}
