# What calls somebody: alarms, the topics they are published to, and the dashboard on which one looks first. Alarms are on
# what users and data suffer from, once each; the text of each says what it means, what to do first, and where docs/RUNBOOK.md
# goes on. Billing is measured in us-east-1 only, and an alarm reaches topics of its own region only.

locals {
  topic   = "arn:aws:sns:${var.region}:${var.account_id}:${var.topic}"
  billing = "arn:aws:sns:us-east-1:${var.account_id}:${var.name}-billing"

  alarms = merge(local.watched, {
    for kind, id in var.applications : "job-${kind}" => {
      means   = "A job on the application ${kind} of EMR Serverless has failed."
      first   = "Read why: coattail aws jobs, then coattail aws logs."
      section = "job"

      namespace  = "AWS/EMRServerless", metric = "FailedJobs", statistic = "Sum"
      dimensions = { ApplicationId = id, ApplicationName = "${var.name}-${kind}" }
      over       = 0, periods = 1, of = 1
    }
  })

  watched = {
    iterator-age = {
      means = "Trades wait in the stream for more than five minutes before they are landed."
      first = "See whether the engine's job runs: coattail aws jobs."

      namespace  = "AWS/Kinesis", metric = "GetRecords.IteratorAgeMilliseconds", statistic = "Maximum"
      dimensions = { StreamName = var.stream_name }
      over       = 300000, periods = 2, of = 2
    }

    stream-writes = {
      means = "Kinesis refuses records of producers, which send them again."
      first = "Compare the records that come in with what they were: the dashboard's Kinesis widgets."

      namespace  = "AWS/Kinesis", metric = "WriteProvisionedThroughputExceeded", statistic = "Sum"
      dimensions = { StreamName = var.stream_name }
      over       = 0, periods = 3, of = 5
    }

    stream-reads = {
      means = "Kinesis refuses reads, so the engine follows more slowly."
      first = "Count who reads the stream: one engine at a time should."

      namespace  = "AWS/Kinesis", metric = "ReadProvisionedThroughputExceeded", statistic = "Sum"
      dimensions = { StreamName = var.stream_name }
      over       = 0, periods = 3, of = 5
    }

    table-writes = {
      means = "DynamoDB refuses alerts and facts of the engine, which writes them again."
      first = "Look at what is written: the dashboard's DynamoDB widgets."

      namespace  = "AWS/DynamoDB", metric = "ThrottledRequests", statistic = "Sum"
      dimensions = { TableName = var.table_name, Operation = "PutItem" }
      over       = 0, periods = 3, of = 5
    }

    quality = {
      means = "Less than 95 % of the records have passed the checks, for five minutes."
      first = "See what is rejected and why: coattail dlq list."

      namespace  = var.namespace, metric = "QualityScore", statistic = "Average"
      dimensions = {}
      under      = 95, periods = 5, of = 5
    }

    workflow-failed = {
      means = "The daily workflow has failed; its message on this topic has the state and the cause."
      first = "Open the execution in Step Functions, state machine ${var.workflow}."

      namespace  = var.namespace, metric = "WorkflowFailure", statistic = "Sum"
      dimensions = {}
      over       = 0, periods = 1, of = 1
    }

    api-errors = {
      means = "The API has answered with errors of its own in three of the last five minutes."
      first = "Ask it: curl its address with /health; 503 says that DynamoDB does not answer."

      namespace  = "AWS/ApiGateway", metric = "5xx", statistic = "Sum"
      dimensions = { ApiId = var.api_id }
      over       = 0, periods = 3, of = 5
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.means} First: ${each.value.first} Then: ${var.runbook_url}#alarm-${try(each.value.section, each.key)}"
  alarm_actions     = [aws_sns_topic.this.arn]

  namespace   = each.value.namespace
  metric_name = each.value.metric
  dimensions  = each.value.dimensions
  statistic   = each.value.statistic
  period      = 60

  comparison_operator = can(each.value.under) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = can(each.value.under) ? each.value.under : each.value.over
  datapoints_to_alarm = each.value.periods
  evaluation_periods  = each.value.of
  treat_missing_data  = "notBreaching" # while nothing streams, nothing is measured
}

resource "aws_cloudwatch_metric_alarm" "billing" {
  provider = aws.billing
  for_each = { for threshold in var.billing_thresholds : tostring(threshold) => threshold }

  alarm_name        = "${var.name}-billing-${each.key}"
  alarm_description = "The account owes more than ${each.key} USD this month, for everything in it. First: coattail aws status, and coattail aws stop if nobody uses it. Then: ${var.runbook_url}#alarm-billing"
  alarm_actions     = [aws_sns_topic.billing.arn]

  namespace   = "AWS/Billing"
  metric_name = "EstimatedCharges"
  dimensions  = { Currency = "USD" }
  statistic   = "Maximum"
  period      = 21600 # AWS says it several times a day

  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value
  datapoints_to_alarm = 1
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
}

resource "aws_sns_topic" "this" {
  name              = var.topic
  kms_master_key_id = var.key_arn
}

# Not encrypted at rest: CloudWatch cannot use the free key of SNS, and one of the customer's in this region costs 1 USD a
# month, to hide for some seconds that an account owes more than a threshold (ADR 0048).
resource "aws_sns_topic" "billing" {
  provider = aws.billing

  name = "${var.name}-billing"
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisEnvironment"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic
        Condition = {
          StringEquals = { "aws:SourceAccount" = var.account_id }
          ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:${var.region}:${var.account_id}:alarm:${var.name}-*" }
        }
      },
      {
        Sid       = "Publishers" # by condition, as a principal has to be there before it can be named
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
        Action    = "sns:Publish"
        Resource  = local.topic
        Condition = { ArnEquals = { "aws:PrincipalArn" = var.publishers } }
      },
      {
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = local.topic
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_policy" "billing" {
  provider = aws.billing

  arn = aws_sns_topic.billing.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisEnvironment"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.billing
        Condition = {
          StringEquals = { "aws:SourceAccount" = var.account_id }
          ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:us-east-1:${var.account_id}:alarm:${var.name}-billing-*" }
        }
      },
      {
        Sid       = "OnlyEncryptedConnections"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = local.billing
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "this" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_sns_topic_subscription" "billing" {
  provider = aws.billing
  count    = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.billing.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

# The dashboard: rows of widgets of equal width, from the records that come in to what they cost. What has no metric is not
# here: alerts are counted in the tables and on the live page, not in CloudWatch.

locals {
  # Title and metrics; a metric is namespace, name, then dimension and value by turns, then how it is shown.
  rows = [
    [
      {
        title   = "Records a minute"
        metrics = [for name in ["RecordsProcessed", "RecordsPassed", "RecordsFailed", "RecordsLate", "RecordsDuplicate"] : [var.namespace, name, { stat = "Sum" }]]
      },
      { title = "Records a minute, by exchange", metrics = [[{ expression = "SEARCH('{\"${var.namespace}\",Exchange} MetricName=\"RecordsProcessed\"', 'Sum', 60)" }]] },
      {
        title   = "Quality score, %"
        metrics = [[var.namespace, "QualityScore", { stat = "Average" }]]
        lines   = [{ label = "alarm", value = local.alarms.quality.under, fill = "below" }]
      },
    ],
    [
      { title = "From a trade to its commit, seconds", metrics = [for stat in ["Average", "Maximum"] : [var.namespace, "EventLag", { stat = stat, label = stat }]] },
      { title = "Waiting in the stream, bytes", metrics = [[var.namespace, "Backlog", { stat = "Maximum" }]] },
      { title = "Failure rate, %", metrics = [[var.namespace, "FailureRate", { stat = "Average" }]] },
    ],
    [
      {
        title   = "Kinesis: age of what is read, ms"
        metrics = [["AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "StreamName", var.stream_name, { stat = "Maximum" }]]
        lines   = [{ label = "alarm", value = local.alarms.iterator-age.over, fill = "above" }]
      },
      { title = "Kinesis: records in and out", metrics = [for name in ["IncomingRecords", "GetRecords.Records"] : ["AWS/Kinesis", name, "StreamName", var.stream_name, { stat = "Sum" }]] },
      { title = "Kinesis: refused", metrics = [for name in ["WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded"] : ["AWS/Kinesis", name, "StreamName", var.stream_name, { stat = "Sum" }]] },
    ],
    [
      { title = "DynamoDB: units consumed", metrics = [for name in ["ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits"] : ["AWS/DynamoDB", name, "TableName", var.table_name, { stat = "Sum" }]] },
      { title = "DynamoDB: refused", metrics = [for name in ["PutItem", "Query"] : ["AWS/DynamoDB", "ThrottledRequests", "TableName", var.table_name, "Operation", name, { stat = "Sum", label = name }]] },
      { title = "DynamoDB: latency, ms", metrics = [for name in ["PutItem", "Query"] : ["AWS/DynamoDB", "SuccessfulRequestLatency", "TableName", var.table_name, "Operation", name, { stat = "Average", label = name }]] },
    ],
    [
      { title = "EMR Serverless: vCPU", metrics = [for kind in keys(var.applications) : [{ expression = replace(local.capacity[kind], "METRIC", "CPUAllocated") }]] },
      { title = "EMR Serverless: memory, GB", metrics = [for kind in keys(var.applications) : [{ expression = replace(local.capacity[kind], "METRIC", "MemoryAllocated") }]] },
      {
        title = "EMR Serverless: jobs"
        metrics = flatten([
          for kind, id in var.applications : [
            for name in ["RunningJobs", "SuccessJobs", "FailedJobs"] : { metric = ["AWS/EMRServerless", name, "ApplicationId", id, "ApplicationName", "${var.name}-${kind}", { stat = "Sum", label = "${kind}: ${name}" }] }
          ]
        ])[*].metric
      },
    ],
    [
      { title = "API: requests", metrics = [["AWS/ApiGateway", "Count", "ApiId", var.api_id, { stat = "Sum" }]] },
      { title = "API: 4xx and 5xx", metrics = [for name in ["4xx", "5xx"] : ["AWS/ApiGateway", name, "ApiId", var.api_id, { stat = "Sum" }]] },
      { title = "API: latency, ms", metrics = [for stat in ["Average", "p99"] : ["AWS/ApiGateway", "Latency", "ApiId", var.api_id, { stat = stat, label = stat }]] },
    ],
    [
      { title = "Functions: errors", metrics = [for name in values(var.functions) : ["AWS/Lambda", "Errors", "FunctionName", name, { stat = "Sum" }]] },
      { title = "Functions: duration, p99, ms", metrics = [for name in values(var.functions) : ["AWS/Lambda", "Duration", "FunctionName", name, { stat = "p99" }]] },
      { title = "Functions: throttles", metrics = [for name in values(var.functions) : ["AWS/Lambda", "Throttles", "FunctionName", name, { stat = "Sum" }]] },
    ],
    [
      { title = "Daily workflow", metrics = [for name in ["WorkflowSuccess", "WorkflowFailure"] : [var.namespace, name, { stat = "Sum" }]], period = 86400 },
      { title = "Daily quality gate, %", metrics = [[var.namespace, "QualityScore", "Function", "gate", { stat = "Average" }]], period = 86400 },
      { title = "Rows of tables", metrics = [[{ expression = "SEARCH('{\"${var.namespace}\",Table} MetricName=\"TableRows\"', 'Maximum', 86400)" }]], period = 86400 },
      { title = "Bill of the account this month, USD", metrics = [["AWS/Billing", "EstimatedCharges", "Currency", "USD", { stat = "Maximum" }]], region = "us-east-1", period = 21600 },
    ],
  ]

  # What workers of an application have, in all kinds of capacity.
  capacity = {
    for kind in keys(var.applications) : kind => "SEARCH('{AWS/EMRServerless,ApplicationId,ApplicationName,CapacityAllocationType,WorkerType} ApplicationName=\"${var.name}-${kind}\" MetricName=\"METRIC\"', 'Sum', 60)"
  }

  head = [
    {
      type = "text", x = 0, y = 0, width = 24, height = 2
      properties = {
        markdown = "**${var.name}** · [what to do about an alarm](${var.runbook_url}) · For educational and analytical purposes only. Not financial advice."
      }
    },
    {
      type = "alarm", x = 0, y = 2, width = 24, height = 3
      properties = {
        title  = "Alarms"
        alarms = [for name in keys(local.alarms) : "arn:aws:cloudwatch:${var.region}:${var.account_id}:alarm:${var.name}-${name}"]
      }
    },
  ]

  widgets = [
    for y, row in local.rows : [
      for x, widget in row : {
        type = "metric", x = x * 24 / length(row), y = 5 + 6 * y, width = 24 / length(row), height = 6
        properties = merge(
          {
            title   = widget.title
            view    = "timeSeries"
            region  = try(widget.region, var.region)
            period  = try(widget.period, 60)
            metrics = widget.metrics
          },
          { for key, lines in { annotations = try(widget.lines, null) } : key => { horizontal = lines } if lines != null },
        )
      }
    ]
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = concat(local.head, flatten(local.widgets)) })
}
