output "key_arn" {
  description = "The key; known only when it has been made."
  value       = aws_kms_key.this.arn
}

output "alias" {
  description = "The key's alias, by which policies can name it before it is there."
  value       = aws_kms_alias.this.name
}
