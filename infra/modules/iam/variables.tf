variable "name" {
  description = "Prefix and environment; the first part of every role's name, and the namespace of the metrics."
  type        = string
}

variable "account_id" {
  description = "The account of everything."
  type        = string
}

variable "region" {
  description = "The region of everything."
  type        = string
}

variable "key_alias" {
  description = "The alias of the key: alias/NAME."
  type        = string
}

variable "stream" {
  description = "The name of the stream, whether it is there or not."
  type        = string
}

variable "table" {
  description = "The table of the hot store and of the lease."
  type        = string
}

variable "database" {
  description = "The database of the tables."
  type        = string
}

variable "workgroup" {
  description = "Athena's workgroup; its answers go into results/ of their bucket."
  type        = string
}

variable "analyst_workgroup" {
  description = "The workgroup of analysts; its answers go into results/analyst/."
  type        = string
}

variable "buckets" {
  description = "raw, processed, checkpoint and athena: their buckets."
  type        = object({ raw = string, processed = string, checkpoint = string, athena = string })
}

variable "path" {
  description = "The path of the parameters that name all of this."
  type        = string
}

variable "functions" {
  description = "api, loader, gate and catalog: the names of the functions."
  type        = map(string)
}

variable "workflow" {
  description = "The name of the state machine."
  type        = string
}

variable "topic" {
  description = "The name of the topic of alarms."
  type        = string
}

variable "analyst_principals" {
  description = "ARNs of the users who may become the analyst, by MFA; empty: nobody may."
  type        = list(string)
}
