output "subnet_ids" {
  description = "The subnets of jobs."
  value       = [for subnet in aws_subnet.jobs : subnet.id]
}

output "security_group_id" {
  description = "The security group of jobs."
  value       = aws_security_group.jobs.id
}

output "interface_endpoints" {
  description = "Services whose interface endpoint is there; each is billed by the hour and zone."
  value       = sort(keys(aws_vpc_endpoint.interface))
}
