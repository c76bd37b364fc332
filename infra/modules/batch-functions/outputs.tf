output "arns" {
  description = "loader, gate and catalog: their ARNs."
  value       = { for name, function in aws_lambda_function.this : name => function.arn }
}
