output "arns" {
  description = "Role -> its ARN, when it has its policy."
  value       = local.arns

  depends_on = [aws_iam_role_policy.this]
}
