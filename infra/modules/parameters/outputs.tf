output "path" {
  description = "The path below which they stand."
  value       = var.path

  depends_on = [aws_ssm_parameter.this]
}
