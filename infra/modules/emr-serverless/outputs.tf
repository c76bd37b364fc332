output "applications" {
  description = "stream and batch: ids of the applications; known only when they have been made."
  value       = { for kind, application in aws_emrserverless_application.this : kind => application.id }
}
