# The API of alerts: a function that reads the hot store, and an HTTP API before it, open to every browser, which lets 100
# requests a second through.

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.function}"
  retention_in_days = 14
  kms_key_id        = var.key_arn
}

resource "aws_lambda_function" "this" {
  function_name    = var.function
  role             = var.role_arn
  filename         = "${var.zips}/${var.packed.file}"
  source_code_hash = filebase64sha256("${var.zips}/${var.packed.file}")
  handler          = var.packed.handler
  runtime          = var.packed.runtime
  architectures    = [var.packed.architecture]
  memory_size      = 512
  timeout          = 15
  kms_key_arn      = var.key_arn

  environment {
    variables = { COATTAIL_HOT_STORE = var.hot_store }
  }

  logging_config {
    log_format = "Text" # each line is JSON already
    log_group  = aws_cloudwatch_log_group.function.name
  }
}

resource "aws_lambda_permission" "gateway" {
  statement_id   = "gateway"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  principal      = "apigateway.amazonaws.com"
  source_account = var.account_id
  source_arn     = "${aws_apigatewayv2_api.this.execution_arn}/*"
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.function
  description   = "Alerts, read only"
  protocol_type = "HTTP"

  cors_configuration {
    # As coattail/api/guard.py answers, which the gateway replaces.
    allow_origins  = ["*"]
    allow_methods  = ["GET", "HEAD", "OPTIONS"]
    allow_headers  = ["if-none-match", "last-event-id"]
    expose_headers = ["etag", "retry-after"]
    max_age        = 86400
  }
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.this.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  api_id    = aws_apigatewayv2_api.this.id
  route_key = "$default"
  target    = "integrations/${aws_apigatewayv2_integration.this.id}"
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/vendedlogs/apigateway/${var.function}"
  retention_in_days = 14
  kms_key_id        = var.key_arn
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = 100
    throttling_burst_limit = 200
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn

    # Without addresses of those who ask.
    format = jsonencode({
      at      = "$context.requestTime"
      request = "$context.requestId"
      route   = "$context.httpMethod $context.path"
      status  = "$context.status"
      bytes   = "$context.responseLength"
      took_ms = "$context.responseLatency"
      error   = "$context.integrationErrorMessage"
    })
  }
}
