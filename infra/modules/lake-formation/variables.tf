variable "name" {
  description = "Prefix and environment: the first part of the names of the role and the tag."
  type        = string
}

variable "account_id" {
  description = "The account of the key."
  type        = string
}

variable "region" {
  description = "The region of the key."
  type        = string
}

variable "key_alias" {
  description = "The alias of the key that encrypts the tables: alias/NAME."
  type        = string
}

variable "bucket" {
  description = "The bucket of the tables, which lie below warehouse/."
  type        = string
}

variable "database" {
  description = "The database of the tables."
  type        = string
}

variable "roles" {
  description = "Role -> its ARN; jobs, analyst and scientist are used."
  type        = map(string)
}

variable "open_tables" {
  description = "Tables that analysts may read as they are; each has to be there already."
  type        = set(string)
}
