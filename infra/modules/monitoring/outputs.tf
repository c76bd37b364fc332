output "topic_arn" {
  description = "The topic to which alarms and the workflow publish."
  value       = local.topic
}

output "dashboard" {
  description = "The name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "alarms" {
  description = "The names of all alarms, of billing last."
  value       = [for alarm in concat(keys(local.alarms), [for sum in var.billing_thresholds : "billing-${sum}"]) : "${var.name}-${alarm}"]
}
