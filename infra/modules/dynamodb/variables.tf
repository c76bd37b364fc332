variable "name" {
  description = "Prefix and environment."
  type        = string
}

variable "key_arn" {
  description = "The key that encrypts the table."
  type        = string
}
