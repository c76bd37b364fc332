variable "name" {
  description = "Prefix and environment: the first part of the buckets' names."
  type        = string
}

variable "suffix" {
  description = "Last part of the buckets' names, which are unique in the whole world."
  type        = string
}

variable "key_arn" {
  description = "The key that encrypts every object."
  type        = string
}

variable "force_destroy" {
  description = "Whether buckets are deleted with what they hold."
  type        = bool
}
