output "secret" {
  description = "Secret that waits for the password of Datastream's user."
  value       = google_secret_manager_secret.password.secret_id
}

output "stream" {
  description = "Full name of the stream."
  value       = google_datastream_stream.changes.id
}
