variable "name" {
  description = "Prefix and environment."
  type        = string
}

variable "release_label" {
  description = "The release of EMR, which says the version of Spark and of Python."
  type        = string
}

variable "architecture" {
  description = "Of the workers: arm64 or x86_64."
  type        = string
}

variable "workers" {
  description = "How large a job is: its driver and executors, and the virtual processors and the memory in GB of each."
  type        = object({ count = number, vcpu = number, memory_gb = number })
}

variable "network" {
  description = "Where the jobs that read the stream run."
  type        = object({ subnet_ids = list(string), security_group_id = string })
}
