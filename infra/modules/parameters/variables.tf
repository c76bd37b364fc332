variable "path" {
  description = "/PREFIX/ENVIRONMENT, below which the parameters stand."
  type        = string
}

variable "values" {
  description = "Key of coattail's settings, or api_url, applications or buckets -> value, as text or JSON."
  type        = map(string)
}
