variable "name" {
  description = "Prefix and environment; the name of the key's alias."
  type        = string
}

variable "account_id" {
  description = "The account whose roles may be allowed to use the key."
  type        = string
}

variable "region" {
  description = "The region of the key and of whatever it encrypts."
  type        = string
}

variable "deletion_days" {
  description = "How long a deleted key can be taken back, in days."
  type        = number
}
