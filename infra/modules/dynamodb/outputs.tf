output "table_name" {
  description = "The table."
  value       = aws_dynamodb_table.this.name
}

output "index_names" {
  description = "Its indices."
  value       = sort(keys(local.indices))
}
