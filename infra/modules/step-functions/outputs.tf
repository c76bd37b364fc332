output "state_machine_arn" {
  description = "What an execution is started of."
  value       = aws_sfn_state_machine.this.arn
}
