variable "name" {
  description = "Prefix and environment: the first part of the names of alarms, and the dashboard's name."
  type        = string
}

variable "account_id" {
  description = "The account whose alarms may publish."
  type        = string
}

variable "region" {
  description = "The region of what is watched; billing is watched in us-east-1."
  type        = string
}

variable "topic" {
  description = "The name of the topic to which alarms are published."
  type        = string
}

variable "key_arn" {
  description = "The key that encrypts the topic; its policy lets CloudWatch use it."
  type        = string
}

variable "publishers" {
  description = "ARNs of the roles that may publish to the topic beside alarms."
  type        = list(string)
}

variable "namespace" {
  description = "The namespace of coattail's own metrics in CloudWatch."
  type        = string
}

variable "stream_name" {
  description = "The stream of trades, whether it is there or not."
  type        = string
}

variable "table_name" {
  description = "The table of the hot store."
  type        = string
}

variable "functions" {
  description = "api, loader, gate and catalog -> the names of their functions."
  type        = map(string)
}

variable "workflow" {
  description = "The name of the daily workflow's state machine."
  type        = string
}

variable "alarm_email" {
  description = "Who gets a mail of every alarm, once the subscription has been confirmed; null: nobody."
  type        = string
}

variable "billing_thresholds" {
  description = "Sums in USD of a month's bill of the whole account; each has an alarm."
  type        = list(number)
}

variable "runbook_url" {
  description = "Where docs/RUNBOOK.md is read; the alarm's anchor follows it."
  type        = string
}

variable "applications" {
  description = "stream and batch -> the ids of their applications of EMR Serverless."
  type        = map(string)
}

variable "api_id" {
  description = "The id of the HTTP API."
  type        = string
}
