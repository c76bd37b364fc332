# The services of one environment. Names come from prefix and environment, so every ARN but the key's is known before
# anything is made. Streams and interface endpoints, which cost money by the hour, are there only while `streaming` is.

locals {
  name     = "${var.prefix}-${var.environment}"
  emulated = var.endpoint != null

  # What policies name before it is there.
  functions = { for each in ["api", "loader", "gate", "catalog"] : each => "${local.name}-${each}" }
  workflow  = "${local.name}-daily"
  topic     = "${local.name}-alarms"

  # What coattail says of the zips that it has packed.
  packed = { for zip in jsondecode(file("${var.zips}/zips.json")).zips : zip.name => zip }

  tags = merge(var.tags, { Project = var.prefix, Environment = var.environment, ManagedBy = "terraform" })

  tier = yamldecode(file("${path.root}/../coattail/conf/tiers/${var.tier}.yaml"))

  # How settings of coattail say where a service is.
  at = join("&", compact(["region=${var.region}", local.emulated ? "endpoint=${urlencode(var.endpoint)}" : ""]))

  path       = "/${var.prefix}/${var.environment}"
  place      = "ssm:${local.path}?${local.at}"
  artifacts  = "s3://${module.s3_lakehouse.buckets.checkpoint}/artifacts"
  historical = "s3://${module.s3_lakehouse.buckets.raw}/historical?${local.at}"

  # The stores that an engine and a job land in. The stream is named also while it is not there: without it, a producer
  # would fall back on the stream of its own machine.
  hot_store = "dynamodb://${module.dynamodb.table_name}?${local.at}"
  stores = {
    "stream.url" = "kinesis://${module.kinesis.stream_name}?${local.at}"
    "lake"       = local.lake
    "hot.url"    = local.hot_store
    "dlq.url"    = "s3://${module.s3_lakehouse.buckets.raw}/dlq?${local.at}"
  }

  # Jobs that follow the stream run in the VPC, all others outside of it.
  jobs = join("&", compact([
    local.at,
    "role=${urlencode(module.iam.arns.jobs)}",
    "artifacts=${urlencode(local.artifacts)}",
    "architecture=${var.architecture}",
    "batch=${module.emr_serverless.applications.batch}",
    var.bundle == null ? "" : "bundle=${var.bundle}",
  ]))

  # What the workflow loads each day.
  exchanges = yamldecode(file("${path.root}/../coattail/conf/defaults.yaml")).exchanges
  instruments = var.instruments != null ? var.instruments : flatten([
    for exchange, its in local.exchanges : [
      for symbol in its.symbols : { exchange = exchange, symbol = symbol, rest_host = lookup(var.rest_hosts, exchange, null) }
    ]
  ])

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
    tags = local.tags
  }

  dynamic "endpoints" {
    for_each = local.emulated ? [var.endpoint] : []

    content {
      apigatewayv2  = endpoints.value
      athena        = endpoints.value
      cloudwatch    = endpoints.value
      dynamodb      = endpoints.value
      ec2           = endpoints.value
      emrserverless = endpoints.value
      glue          = endpoints.value
      iam           = endpoints.value
      kinesis       = endpoints.value
      kms           = endpoints.value
      lambda        = endpoints.value
      lakeformation = endpoints.value
      logs          = endpoints.value
      s3            = endpoints.value
      scheduler     = endpoints.value
      sfn           = endpoints.value
      sns           = endpoints.value
      ssm           = endpoints.value
      sts           = endpoints.value
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
    tags = local.tags
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
  region        = var.region
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

module "emr_serverless" {
  source = "./modules/emr-serverless"

  name          = local.name
  release_label = var.release_label
  architecture  = var.architecture
  workers       = local.tier.workers
  network       = { subnet_ids = module.network.subnet_ids, security_group_id = module.network.security_group_id }
}

module "iam" {
  source = "./modules/iam"

  name               = local.name
  account_id         = var.account_id
  region             = var.region
  key_alias          = module.kms.alias
  stream             = module.kinesis.stream_name
  table              = module.dynamodb.table_name
  database           = module.glue.database
  workgroup          = module.glue.workgroup
  analyst_workgroup  = module.glue.analyst_workgroup
  buckets            = module.s3_lakehouse.buckets
  path               = local.path
  functions          = local.functions
  workflow           = local.workflow
  topic              = local.topic
  analyst_principals = var.analyst_principals
}

module "batch_functions" {
  source = "./modules/batch-functions"

  functions  = { for name in ["loader", "gate", "catalog"] : name => local.functions[name] }
  roles      = module.iam.arns
  zips       = var.zips
  packed     = local.packed
  key_arn    = module.kms.key_arn
  historical = local.historical
  hot_store  = local.hot_store
  namespace  = local.name
}

module "api" {
  source = "./modules/api"

  function   = local.functions.api
  account_id = var.account_id
  role_arn   = module.iam.arns.api
  zips       = var.zips
  packed     = local.packed.api
  key_arn    = module.kms.key_arn
  hot_store  = local.hot_store
}

module "parameters" {
  source = "./modules/parameters"

  path = local.path

  # The settings of coattail that --place ssm:/PREFIX/ENVIRONMENT reads.
  values = merge(local.stores, {
    "lake"        = jsonencode(local.lake)
    "sql.url"     = "athena://${module.glue.workgroup}?${local.at}"
    "metrics.url" = "cloudwatch://${local.name}?${local.at}"
    "jobs.url"    = "emr-serverless://${module.emr_serverless.applications.stream}?${local.jobs}"
    "tier"        = var.tier

    # For other clients.
    "buckets"      = jsonencode(module.s3_lakehouse.buckets)
    "applications" = jsonencode(module.emr_serverless.applications)
    "api_url"      = module.api.url
  })
}

module "monitoring" {
  source    = "./modules/monitoring"
  providers = { aws = aws, aws.billing = aws.billing }

  name               = local.name
  account_id         = var.account_id
  region             = var.region
  topic              = local.topic
  key_arn            = module.kms.key_arn
  publishers         = [module.iam.arns.workflow]
  namespace          = local.name
  stream_name        = module.kinesis.stream_name
  table_name         = module.dynamodb.table_name
  functions          = local.functions
  applications       = module.emr_serverless.applications
  api_id             = module.api.id
  workflow           = local.workflow
  alarm_email        = var.alarm_email
  billing_thresholds = var.billing_thresholds
  runbook_url        = var.runbook_url
}

module "lake_formation" {
  source = "./modules/lake-formation"
  count  = var.govern ? 1 : 0

  name        = local.name
  account_id  = var.account_id
  region      = var.region
  key_alias   = module.kms.alias
  bucket      = module.s3_lakehouse.buckets.processed
  database    = module.glue.database
  roles       = module.iam.arns
  open_tables = var.open_tables
}

module "step_functions" {
  source = "./modules/step-functions"

  name             = local.name
  workflow         = local.workflow
  roles            = module.iam.arns
  functions        = module.batch_functions.arns
  application_id   = module.emr_serverless.applications.batch
  artifacts        = local.artifacts
  bundle           = var.bundle
  workers          = local.tier.workers
  historical       = local.historical
  instruments      = local.instruments
  topic_arn        = module.monitoring.topic_arn
  runbook_url      = var.runbook_url
  key_arn          = module.kms.key_arn
  schedule_enabled = var.schedule_enabled

  # By value: an application outside of the VPC may not reach Systems Manager. Without metrics: trades of yesterday have a
  # lag that is none of an engine.
  place = { name = local.place, settings = merge(local.stores, { "tier" = var.tier }) }
}
