variable "name" {
  description = "Prefix and environment; the name of the workgroup, and the first part of that of analysts."
  type        = string
}

variable "account_id" {
  description = "The account that must own the bucket of answers."
  type        = string
}

variable "key_arn" {
  description = "The key that encrypts answers."
  type        = string
}

variable "results" {
  description = "s3://BUCKET/FOLDER/ where answers go; those of analysts go into a folder below it."
  type        = string
}

variable "query_limit_gb" {
  description = "How much one query may read, in GB."
  type        = number
}

variable "force_destroy" {
  description = "Whether workgroups are deleted with their named queries."
  type        = bool
}
