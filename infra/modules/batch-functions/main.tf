# The functions of the daily workflow: the loader of history, the quality gate, and the statistics of the catalog. Each is
# a zip as coattail packs it, which also says its handler, its runtime and its architecture.

locals {
  functions = {
    # As long as Lambda lets it: it fetches until 20 s before the end, and is called again for the rest.
    loader  = { timeout = 900, memory = 512, environment = { COATTAIL_HISTORICAL = var.historical } }
    gate    = { timeout = 60, memory = 256, environment = { COATTAIL_METRICS = var.namespace } }
    catalog = { timeout = 60, memory = 256, environment = { COATTAIL_METRICS = var.namespace, COATTAIL_HOT_STORE = var.hot_store } }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.functions

  name              = "/aws/lambda/${var.functions[each.key]}"
  retention_in_days = 14
  kms_key_id        = var.key_arn
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name    = var.functions[each.key]
  role             = var.roles[each.key]
  filename         = "${var.zips}/${var.packed[each.key].file}"
  source_code_hash = filebase64sha256("${var.zips}/${var.packed[each.key].file}")
  handler          = var.packed[each.key].handler
  runtime          = var.packed[each.key].runtime
  architectures    = [var.packed[each.key].architecture]
  memory_size      = each.value.memory
  timeout          = each.value.timeout
  kms_key_arn      = var.key_arn

  environment {
    variables = each.value.environment
  }

  logging_config {
    log_format = "Text" # each line is JSON already, and metrics are made of some
    log_group  = aws_cloudwatch_log_group.this[each.key].name
  }
}
