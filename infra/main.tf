# The services of one environment. Names come from prefix and environment, so every ARN but the key's is known before
# anything is made. Streams and interface endpoints, which cost money by the hour, are there only while `streaming` is.

locals {
  name     = "${var.prefix}-${var.environment}"
  emulated = var.endpoint != null

  # What policies name before it is there.
  functions = { for each in ["api", "loader", "gate", "catalog"] : each => "${local.name}-${each}" }
  workflow  = "${local.name}-daily"
  topic     = "${local.name}-alarms"

  tier = yamldecode(file("${path.root}/../coattail/conf/tiers/${var.tier}.yaml"))

  # How settings of coattail say where a service is.
  at = join("&", compact(["region=${var.region}", local.emulated ? "endpoint=${urlencode(var.endpoint)}" : ""]))

  lake = merge(
    { type = "glue", warehouse = "s3://${module.s3_lakehouse.buckets.processed}/warehouse" },
    { for service in ["glue", "s3"] : "${service}.region" => var.region },
    { for service in ["glue", "s3"] : "${service}.endpoint" => var.endpoint if local.emulated },
  )
}

provider "aws" {
  region = var.region

  # Another account than the one that is meant is refused.
  allowed_account_ids = [var.account_id]

  s3_use_path_style           = local.emulated
  skip_credentials_validation = local.emulated
  skip_metadata_api_check     = local.emulated

  default_tags {
    tags = merge(var.tags, { Project = var.prefix, Environment = var.environment, ManagedBy = "terraform" })
  }

  dynamic "endpoints" {
    for_each = local.emulated ? [var.endpoint] : []

    content {
      athena     = endpoints.value
      cloudwatch = endpoints.value
      dynamodb   = endpoints.value
      ec2        = endpoints.value
      glue       = endpoints.value
      kinesis    = endpoints.value
      kms        = endpoints.value
      s3         = endpoints.value
      sns        = endpoints.value
      ssm        = endpoints.value
      sts        = endpoints.value
    }
  }
}

# Where AWS says what an account owes.
provider "aws" {
  alias  = "billing"
  region = "us-east-1"

  allowed_account_ids = [var.account_id]

  skip_credentials_validation = local.emulated
  skip_metadata_api_check     = local.emulated

  default_tags {
    tags = merge(var.tags, { Project = var.prefix, Environment = var.environment, ManagedBy = "terraform" })
  }

  dynamic "endpoints" {
    for_each = local.emulated ? [var.endpoint] : []

    content {
      cloudwatch = endpoints.value
      sns        = endpoints.value
      sts        = endpoints.value
    }
  }
}

module "kms" {
  source = "./modules/kms"

  name          = local.name
  account_id    = var.account_id
  deletion_days = var.key_deletion_days
}

module "network" {
  source = "./modules/network"

  name                = local.name
  region              = var.region
  account_id          = var.account_id
  zones               = var.zones
  streaming           = var.streaming
  interface_endpoints = var.interface_endpoints
}

module "kinesis" {
  source = "./modules/kinesis"

  name            = local.name
  streaming       = var.streaming
  key_arn         = module.kms.key_arn
  retention_hours = var.retention_hours
}

module "s3_lakehouse" {
  source = "./modules/s3-lakehouse"

  name          = local.name
  suffix        = "${var.account_id}-${var.region}"
  key_arn       = module.kms.key_arn
  force_destroy = var.force_destroy
}

module "glue" {
  source = "./modules/glue"

  name           = local.name
  account_id     = var.account_id
  key_arn        = module.kms.key_arn
  results        = "s3://${module.s3_lakehouse.buckets.athena}/results/"
  query_limit_gb = var.query_limit_gb
  force_destroy  = var.force_destroy
}

module "dynamodb" {
  source = "./modules/dynamodb"

  name    = local.name
  key_arn = module.kms.key_arn
}

module "parameters" {
  source = "./modules/parameters"

  path = "/${var.prefix}/${var.environment}"

  # The settings of coattail that --place ssm:/PREFIX/ENVIRONMENT reads. The stream is named also while it is not there:
  # without it, a producer would fall back on the stream of its own machine.
  values = {
    "stream.url"  = "kinesis://${module.kinesis.stream_name}?${local.at}"
    "lake"        = jsonencode(local.lake)
    "hot.url"     = "dynamodb://${module.dynamodb.table_name}?${local.at}"
    "dlq.url"     = "s3://${module.s3_lakehouse.buckets.raw}/dlq?${local.at}"
    "sql.url"     = "athena://${module.glue.workgroup}?${local.at}"
    "metrics.url" = "cloudwatch://${var.prefix}-${var.environment}?${local.at}"
    "tier"        = var.tier
    "buckets"     = jsonencode(module.s3_lakehouse.buckets)
  }
}

module "monitoring" {
  source    = "./modules/monitoring"
  providers = { aws = aws, aws.billing = aws.billing }

  name               = local.name
  account_id         = var.account_id
  region             = var.region
  topic              = local.topic
  key_arn            = module.kms.key_arn
  publishers         = ["arn:aws:iam::${var.account_id}:role/${local.name}-workflow"]
  namespace          = local.name
  stream_name        = module.kinesis.stream_name
  table_name         = module.dynamodb.table_name
  functions          = local.functions
  workflow           = local.workflow
  alarm_email        = var.alarm_email
  billing_thresholds = var.billing_thresholds
  runbook_url        = var.runbook_url
}
