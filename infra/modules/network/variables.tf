variable "name" {
  description = "Prefix and environment."
  type        = string
}

variable "region" {
  description = "The region, which names services and zones."
  type        = string
}

variable "account_id" {
  description = "The account whose identities may use the endpoints."
  type        = string
}

variable "zones" {
  description = "Letters of the availability zones, a subnet each."
  type        = list(string)
}

variable "streaming" {
  description = "Whether the interface endpoints are there."
  type        = bool
}

variable "interface_endpoints" {
  description = "Services with an interface endpoint while streaming."
  type        = set(string)
}
