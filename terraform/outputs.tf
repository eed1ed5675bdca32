output "image_repository" {
  description = "Where images are pushed to."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
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

output "deployer" {
  description = "The identity that the workflows take on; null without a repository."
  value       = one(google_service_account.deployer[*].email)
}
