output "database" {
  description = "The database of the tables."
  value       = aws_glue_catalog_database.this.name
}

output "workgroup" {
  description = "Athena's workgroup."
  value       = aws_athena_workgroup.this["everybody"].name
}

output "analyst_workgroup" {
  description = "The workgroup of analysts."
  value       = aws_athena_workgroup.this["analyst"].name
}
