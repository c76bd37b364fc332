variable "name" {
  description = "Prefix and environment; the name of the workgroup."
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
  description = "s3://BUCKET/FOLDER/ where answers go."
  type        = string
}

variable "query_limit_gb" {
  description = "How much one query may read, in GB."
  type        = number
}

variable "force_destroy" {
  description = "Whether the workgroup is deleted with its named queries."
  type        = bool
}
