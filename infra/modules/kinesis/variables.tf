variable "name" {
  description = "Prefix and environment."
  type        = string
}

variable "streaming" {
  description = "Whether the stream is there. Without it, what has not landed is gone."
  type        = bool
}

variable "key_arn" {
  description = "The key that encrypts its records."
  type        = string
}

variable "retention_hours" {
  description = "How long it keeps a record."
  type        = number
}
