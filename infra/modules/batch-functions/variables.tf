variable "functions" {
  description = "loader, gate and catalog: their names."
  type        = map(string)
}

variable "roles" {
  description = "loader, gate and catalog: ARNs of the roles that they run as."
  type        = map(string)
}

variable "zips" {
  description = "The folder of the zips."
  type        = string
}

variable "packed" {
  description = "loader, gate and catalog: what zips.json says of each."
  type        = map(object({ file = string, handler = string, runtime = string, architecture = string }))
}

variable "key_arn" {
  description = "The key that encrypts logs and the environment's variables."
  type        = string
}

variable "historical" {
  description = "Where the loader puts files, as coattail writes it: s3://BUCKET/FOLDER?region=…"
  type        = string
}

variable "hot_store" {
  description = "The hot store, as hot.url says it."
  type        = string
}

variable "namespace" {
  description = "The namespace of the metrics."
  type        = string
}
