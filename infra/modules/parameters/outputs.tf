output "path" {
  description = "The path below which they stand."
  value       = var.path

  depends_on = [aws_ssm_parameter.this]
}

output "values" {
  description = "What they say, by key."
  value       = { for key, parameter in aws_ssm_parameter.this : key => parameter.insecure_value }
}
