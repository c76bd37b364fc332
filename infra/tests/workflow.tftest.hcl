# The daily workflow, with functions and an application that are there: then its definition is known, and tests read it from
# the plan. No provider takes part: it would have AWS validate the definition.

mock_provider "aws" {}

mock_provider "aws" {
  alias = "billing"
}

variables {
  environment = "dev"
  account_id  = "123456789012"
  region      = "eu-central-1"
  bundle      = "deps-0123456789abcdef-arm64.tar.gz"
}

run "workflow" {
  command = plan

  override_module {
    target  = module.emr_serverless
    outputs = { applications = { stream = "00stream", batch = "00batch" } }
  }

  override_module {
    target = module.batch_functions
    outputs = {
      arns = {
        loader  = "arn:aws:lambda:eu-central-1:123456789012:function:coattail-dev-loader"
        gate    = "arn:aws:lambda:eu-central-1:123456789012:function:coattail-dev-gate"
        catalog = "arn:aws:lambda:eu-central-1:123456789012:function:coattail-dev-catalog"
      }
    }
  }

  assert {
    condition     = length(local.instruments) > 1 && contains(local.instruments[*].symbol, "BTC-USDT")
    error_message = "the instruments are not those of coattail's settings"
  }
}
