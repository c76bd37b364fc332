variable "function" {
  description = "The name of the function, and of its API."
  type        = string
}

variable "account_id" {
  description = "The account whose gateway may call the function."
  type        = string
}

variable "role_arn" {
  description = "The role that the function runs as."
  type        = string
}

variable "zips" {
  description = "The folder of the zips."
  type        = string
}

variable "packed" {
  description = "What zips.json says of the function."
  type        = object({ file = string, handler = string, runtime = string, architecture = string })
}

variable "key_arn" {
  description = "The key that encrypts logs and the environment's variables."
  type        = string
}

variable "hot_store" {
  description = "The hot store, as hot.url says it."
  type        = string
}
