# What is there when nothing streams and when something does, and which values are refused. No provider takes part.

mock_provider "aws" {}

mock_provider "aws" {
  alias = "billing"
}

variables {
  environment = "dev"
  account_id  = "123456789012"
  region      = "eu-central-1"
}

run "idle" {
  command = plan

  assert {
    condition     = length(output.billed_by_the_hour) == 0
    error_message = "without streaming, something is billed by the hour"
  }

  assert {
    condition     = output.stream == "coattail-dev-trades"
    error_message = "the stream is not named while it is not there"
  }

  assert {
    condition     = output.buckets.processed == "coattail-dev-processed-123456789012-eu-central-1"
    error_message = "a bucket has another name than policies will say"
  }

  assert {
    condition     = output.place == "ssm:/coattail/dev?region=eu-central-1"
    error_message = "the place has another name"
  }

  assert {
    condition     = contains(output.detectors, "volume-anomaly")
    error_message = "the tier's file was not read"
  }
}

run "streaming" {
  command = plan

  variables {
    streaming           = true
    interface_endpoints = ["kinesis-streams", "glue"]
    zones               = ["a", "b"]
  }

  assert {
    condition     = tolist(output.billed_by_the_hour) == tolist(["coattail-dev-trades", "glue", "kinesis-streams"])
    error_message = "streaming makes the stream and the endpoints, and says so"
  }
}

run "addresses_that_are_known_when_it_is_there" {
  command = plan

  override_module {
    target  = module.emr_serverless
    outputs = { applications = { stream = "00stream", batch = "00batch" } }
  }

  override_module {
    target  = module.api
    outputs = { url = "https://a.execute-api.eu-central-1.amazonaws.com/" }
  }

  variables {
    bundle = "deps-0123456789abcdef-arm64.tar.gz"
  }

  assert {
    condition = module.parameters.values["jobs.url"] == join("", [
      "emr-serverless://00stream?region=eu-central-1",
      "&role=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fcoattail-dev-jobs",
      "&artifacts=s3%3A%2F%2Fcoattail-dev-checkpoint-123456789012-eu-central-1%2Fartifacts",
      "&architecture=arm64&batch=00batch&bundle=deps-0123456789abcdef-arm64.tar.gz",
    ])
    error_message = "jobs.url is ${module.parameters.values["jobs.url"]}"
  }

  assert {
    condition     = jsondecode(module.parameters.values["applications"]) == output.applications && module.parameters.values["api_url"] == output.api_url
    error_message = "a client is told another address"
  }
}

run "values_that_are_refused" {
  command = plan

  variables {
    prefix              = "Coat_tail"
    environment         = "production-2"
    account_id          = "1234"
    region              = "Frankfurt"
    tier                = "colossal"
    zones               = ["a", "b", "c", "d"]
    interface_endpoints = ["ec2"]
    retention_hours     = 8760
    query_limit_gb      = 100000
    key_deletion_days   = 1
    endpoint            = "https://example.com"
    release_label       = "spark-4"
    bundle              = "deps-0123456789abcdef-x86_64.tar.gz"
    zips                = "nowhere"
    instruments         = [{ exchange = "Binance", symbol = "BTCUSDT" }]
    rest_hosts          = { binance = "data-api.binance.vision" }
    analyst_principals  = ["arn:aws:iam::123456789012:role/admin"]
    tags                = { Environment = "other" }
    alarm_email         = "nobody"
    billing_thresholds  = [25, 25]
    runbook_url         = "docs/RUNBOOK.md#alarms"
    open_tables         = ["bars", "raw_trades"]
  }

  expect_failures = [
    var.prefix, var.environment, var.account_id, var.region, var.tier, var.zones, var.interface_endpoints,
    var.retention_hours, var.query_limit_gb, var.key_deletion_days, var.endpoint, var.tags,
    var.alarm_email, var.billing_thresholds, var.runbook_url, var.release_label, var.bundle, var.zips, var.analyst_principals,
    var.open_tables, var.instruments, var.rest_hosts,
  ]
}

run "a_prefix_with_which_no_parameter_may_begin" {
  command = plan

  variables {
    prefix = "awsome"
  }

  expect_failures = [var.prefix]
}
