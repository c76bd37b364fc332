# Two applications of EMR Serverless: one in the VPC, whose jobs read the stream, and one outside of it, which reaches the
# other services while the interface endpoints are not there. Both start with a job and stop by themselves; nothing is
# kept warm, so they cost nothing without one.

locals {
  applications = { stream = true, batch = false } # -> whether it is in the VPC
}

resource "aws_emrserverless_application" "this" {
  for_each = local.applications

  name          = "${var.name}-${each.key}"
  type          = "spark"
  release_label = var.release_label
  architecture  = upper(var.architecture)

  auto_start_configuration {
    enabled = true
  }

  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = 15
  }

  # One job of the tier; another one waits for it.
  maximum_capacity {
    cpu    = "${var.workers.count * var.workers.vcpu} vCPU"
    memory = "${var.workers.count * var.workers.memory_gb} GB"
  }

  dynamic "network_configuration" {
    for_each = each.value ? [var.network] : []

    content {
      subnet_ids         = network_configuration.value.subnet_ids
      security_group_ids = [network_configuration.value.security_group_id]
    }
  }

  tags = { Name = "${var.name}-${each.key}" } # by which a policy names it before it has an id
}
