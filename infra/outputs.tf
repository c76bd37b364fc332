output "place" {
  description = "What coattail --place takes."
  value       = local.place
}

output "buckets" {
  description = "raw, processed, checkpoint and athena: their buckets."
  value       = module.s3_lakehouse.buckets
}

output "stream" {
  description = "The name of the stream, whether it is there or not."
  value       = module.kinesis.stream_name
}

output "billed_by_the_hour" {
  description = "What costs money while nobody uses it: empty unless streaming."
  value       = concat(module.kinesis.streams, module.network.interface_endpoints)
}

output "table" {
  description = "The table of the hot store."
  value       = module.dynamodb.table_name
}

output "workgroup" {
  description = "Athena's workgroup."
  value       = module.glue.workgroup
}

output "analyst_workgroup" {
  description = "The workgroup of analysts."
  value       = module.glue.analyst_workgroup
}

output "key_arn" {
  description = "The key that encrypts everything."
  value       = module.kms.key_arn
}

output "network" {
  description = "Where jobs that read the stream run."
  value       = { subnet_ids = module.network.subnet_ids, security_group_id = module.network.security_group_id }
}

output "detectors" {
  description = "The modules that the tier runs."
  value       = local.tier.modules
}

output "topic" {
  description = "The topic to which alarms and the workflow publish."
  value       = module.monitoring.topic_arn
}

output "dashboard" {
  description = "The name of the dashboard in CloudWatch."
  value       = module.monitoring.dashboard
}

output "applications" {
  description = "stream and batch: the applications of EMR Serverless."
  value       = module.emr_serverless.applications
}

output "api_url" {
  description = "Where the API answers."
  value       = module.api.url
}

output "functions" {
  description = "loader, gate and catalog: ARNs of the functions of the daily workflow."
  value       = module.batch_functions.arns
}

output "roles" {
  description = "Role -> its ARN."
  value       = module.iam.arns
}

output "state_machine_arn" {
  description = "The daily workflow, of which an execution is started."
  value       = module.step_functions.state_machine_arn
}
