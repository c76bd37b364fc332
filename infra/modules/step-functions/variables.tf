variable "name" {
  description = "First part of the names; in a message it says which environment has failed."
  type        = string
}

variable "workflow" {
  description = "The name of the state machine, and of its schedule."
  type        = string
}

variable "roles" {
  description = "Role -> ARN: workflow, which the state machine has, scheduler, which starts it, and jobs, which the job has."
  type        = map(string)
}

variable "functions" {
  description = "loader, gate and catalog: the ARNs of the functions."
  type        = map(string)
}

variable "application_id" {
  description = "The application of EMR Serverless that runs the job."
  type        = string
}

variable "artifacts" {
  description = "s3://BUCKET/PREFIX: entry points of jobs, bundles and logs."
  type        = string
}

variable "bundle" {
  description = "The name of the bundle that the job runs from; null: none was made yet."
  type        = string
}

variable "workers" {
  description = "How large the job is: one driver and the rest executors, as a tier's file says."
  type        = object({ count = number, vcpu = number, memory_gb = number })
}

variable "historical" {
  description = "Where the loader puts its files, s3://BUCKET/FOLDER?region=REGION."
  type        = string
}

variable "place" {
  description = "The place that the job lands in: its name, and its settings by key."
  type        = object({ name = string, settings = any })
}

variable "instruments" {
  description = "What is loaded each day. rest_host: where to ask instead of the exchange's own host; null: there."
  type        = list(object({ exchange = string, symbol = string, rest_host = optional(string) }))
}

variable "topic_arn" {
  description = "The topic by which people are told what has failed."
  type        = string
}

variable "runbook_url" {
  description = "Where docs/RUNBOOK.md is read; the anchor follows it."
  type        = string
}

variable "key_arn" {
  description = "The key of the log and of the schedule's input."
  type        = string
}

variable "schedule_enabled" {
  description = "Whether it starts each day at 02:00 UTC; else only by hand."
  type        = bool
}
