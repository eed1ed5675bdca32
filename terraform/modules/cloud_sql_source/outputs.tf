output "host" {
  description = "Private address of the server."
  value       = google_sql_database_instance.source.private_ip_address
}

output "instance" {
  description = "Name of the server, for gcloud sql."
  value       = google_sql_database_instance.source.name
}
