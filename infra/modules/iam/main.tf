# A role for each kind of work, with what that work does and no more. Everything is named by its name, so that a plan shows
# every policy before anything is there: the key by its alias, an application of EMR Serverless by its tag.

locals {
  # Role -> what it is for.
  roles = {
    producer  = "Sends trades into the stream"
    jobs      = "Lands trades, maintains and recomputes tables"
    api       = "Answers with alerts"
    loader    = "Fetches past trades"
    gate      = "Judges the quality of what has landed"
    catalog   = "Counts tables"
    workflow  = "Runs the functions and the job of a day"
    scheduler = "Starts the workflow each day"
    analyst   = "Asks tables without raw payloads, in Athena"
    scientist = "Asks tables in Athena"
  }

  arns = { for role in keys(local.roles) : role => "arn:aws:iam::${var.account_id}:role/${var.name}-${role}" }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name               = "${var.name}-${each.key}"
  description        = each.value
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [local.trust[each.key]] })
}

resource "aws_iam_role_policy" "this" {
  for_each = aws_iam_role.this

  name = "own"
  role = each.value.name

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in local.allowed[each.key] : merge({ Effect = "Allow" }, statement)]
  })
}

# Who may take which role.
locals {
  # Lambda takes roles of a function's own account only, and says no account.
  by_function = { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }

  by_service = {
    for role, service in { jobs = "emr-serverless", workflow = "states", scheduler = "scheduler" } : role => {
      Effect                    = "Allow"
      Action                    = "sts:AssumeRole"
      Principal                 = { Service = "${service}.amazonaws.com" }
      Condition                 = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }
  }

  # Whom another policy of the account allows it.
  by_account = { Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = "arn:aws:iam::${var.account_id}:root" } }

  trust = merge(local.by_service, {
    api       = local.by_function
    loader    = local.by_function
    gate      = local.by_function
    catalog   = local.by_function
    producer  = local.by_account
    scientist = local.by_account

    analyst = {
      Effect    = length(var.analyst_principals) > 0 ? "Allow" : "Deny"
      Action    = "sts:AssumeRole"
      Principal = { AWS = length(var.analyst_principals) > 0 ? var.analyst_principals : [local.by_account.Principal.AWS] }
      Condition = { Bool = { "aws:MultiFactorAuthPresent" = "true" } }
    }
  })
}

# What each may do.
locals {
  here = "${var.region}:${var.account_id}"

  stream   = "arn:aws:kinesis:${local.here}:stream/${var.stream}"
  table    = "arn:aws:dynamodb:${local.here}:table/${var.table}"
  indices  = "${local.table}/index/*"
  bucket   = { for role, name in var.buckets : role => "arn:aws:s3:::${name}" }
  glue     = [for what in ["catalog", "database/${var.database}", "table/${var.database}/*"] : "arn:aws:glue:${local.here}:${what}"]
  function = { for role, name in var.functions : role => "arn:aws:lambda:${local.here}:function:${name}" }

  # The ARN of a key is known only when it is there. A policy names it by its alias, as a condition.
  key = {
    Resource  = "arn:aws:kms:${local.here}:key/*"
    Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = var.key_alias } }
  }
  decrypt = merge(local.key, { Sid = "Key", Action = ["kms:Decrypt"] })
  encrypt = merge(local.key, { Sid = "Key", Action = ["kms:Decrypt", "kms:GenerateDataKey"] })

  settings = {
    Sid      = "Settings"
    Action   = ["ssm:GetParametersByPath"]
    Resource = "arn:aws:ssm:${local.here}:parameter${var.path}"
  }

  metrics = {
    Sid       = "Metrics"
    Action    = ["cloudwatch:PutMetricData"]
    Resource  = "*" # it has none
    Condition = { StringEquals = { "cloudwatch:namespace" = var.name } }
  }

  # Whoever asks in Athena: the answers are in a bucket, the tables are Lake Formation's to hand out. Nobody who asks reads
  # the bucket of the tables itself, where no column is left out, and no analyst reads what others were answered.
  asks = {
    analyst   = { workgroup = var.analyst_workgroup, folder = "results/analyst" }
    scientist = { workgroup = var.workgroup, folder = "results" }
  }

  asking = { for role, its in local.asks : role => [
    local.settings,
    {
      Sid = "Ask"
      Action = [
        "athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetWorkGroup", "athena:StartQueryExecution",
        "athena:StopQueryExecution",
      ]
      Resource = "arn:aws:athena:${local.here}:workgroup/${its.workgroup}"
    },
    {
      Sid      = "Schemas"
      Action   = ["glue:GetDatabase", "glue:GetDatabases", "glue:GetTable", "glue:GetTables"]
      Resource = local.glue
    },
    {
      Sid      = "Tables"
      Action   = ["lakeformation:GetDataAccess"]
      Resource = "*" # it has none; Lake Formation says what is read
    },
    {
      Sid      = "Answers"
      Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      Resource = "${local.bucket.athena}/${its.folder}/*"
    },
    {
      Sid      = "AnswersBucket"
      Action   = ["s3:GetBucketLocation", "s3:ListBucket"]
      Resource = local.bucket.athena
    },
    local.encrypt,
  ] }

  logs = {
    for role, name in var.functions : role => {
      Sid      = "Log"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "arn:aws:logs:${local.here}:log-group:/aws/lambda/${name}:*"
    }
  }

  allowed = {
    producer = [
      { Sid = "Send", Action = ["kinesis:PutRecords"], Resource = local.stream },
      local.settings,
      merge(local.key, { Sid = "Key", Action = ["kms:GenerateDataKey"] }),
    ]

    jobs = [
      {
        Sid = "Stream" # a backfill sends what an engine is to land
        Action = [
          "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards",
          "kinesis:PutRecords",
        ]
        Resource = local.stream
      },
      {
        Sid      = "Catalog"
        Action   = ["glue:CreateTable", "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:UpdateTable"]
        Resource = local.glue
      },
      {
        Sid      = "Warehouse"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = "${local.bucket.processed}/warehouse/*"
      },
      {
        Sid      = "Rejected"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = "${local.bucket.raw}/dlq/*"
      },
      { Sid = "History", Action = ["s3:GetObject"], Resource = "${local.bucket.raw}/historical/*" },
      { Sid = "Artifacts", Action = ["s3:GetObject"], Resource = "${local.bucket.checkpoint}/artifacts/*" },
      {
        Sid      = "LogsAndReports"
        Action   = ["s3:PutObject"]
        Resource = [for folder in ["logs", "reports"] : "${local.bucket.checkpoint}/artifacts/${folder}/*"]
      },
      {
        Sid      = "Buckets"
        Action   = ["s3:ListBucket"]
        Resource = [local.bucket.processed, local.bucket.raw, local.bucket.checkpoint]
      },
      {
        Sid      = "HotStoreAndLease"
        Action   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
        Resource = [local.table, local.indices]
      },
      local.metrics,
      local.settings, # an order may name the place, and the driver reads it
      local.encrypt,
    ]

    api = [
      { Sid = "Alerts", Action = ["dynamodb:GetItem", "dynamodb:Query"], Resource = [local.table, local.indices] },
      local.logs.api,
      local.decrypt,
    ]

    loader = [
      { Sid = "Files", Action = ["s3:PutObject"], Resource = "${local.bucket.raw}/historical/*" },
      { Sid = "Bucket", Action = ["s3:ListBucket"], Resource = local.bucket.raw },
      local.logs.loader,
      local.encrypt,
    ]

    gate = [
      { Sid = "Table", Action = ["glue:GetTable"], Resource = local.glue },
      { Sid = "Metadata", Action = ["s3:GetObject"], Resource = "${local.bucket.processed}/warehouse/*/metadata/*" },
      local.logs.gate,
      local.decrypt,
    ]

    catalog = [
      { Sid = "AllTables", Action = ["glue:GetTables"], Resource = local.glue },
      { Sid = "Metadata", Action = ["s3:GetObject"], Resource = "${local.bucket.processed}/warehouse/*/metadata/*" },
      { Sid = "Statistics", Action = ["dynamodb:PutItem"], Resource = local.table },
      local.logs.catalog,
      local.encrypt,
    ]

    workflow = [
      {
        Sid      = "Functions"
        Action   = ["lambda:InvokeFunction"]
        Resource = [for role in ["loader", "gate", "catalog"] : local.function[role]]
      },
      {
        Sid       = "Start" # an application has its id only when it is there, and its name as a tag from the beginning
        Action    = ["emr-serverless:StartJobRun"]
        Resource  = "arn:aws:emr-serverless:${local.here}:/applications/*"
        Condition = { StringEquals = { "aws:ResourceTag/Name" = "${var.name}-batch" } }
      },
      {
        Sid      = "Follow" # a run has no tag of its application
        Action   = ["emr-serverless:CancelJobRun", "emr-serverless:GetJobRun"]
        Resource = "arn:aws:emr-serverless:${local.here}:/applications/*/jobruns/*"
      },
      {
        Sid       = "JobsRole"
        Action    = ["iam:PassRole"]
        Resource  = local.arns.jobs
        Condition = { StringEquals = { "iam:PassedToService" = "emr-serverless.amazonaws.com" } }
      },
      {
        Sid      = "HearOfTheEnd" # the rule of Step Functions itself
        Action   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
        Resource = "arn:aws:events:${local.here}:rule/StepFunctionsGetEventsForEMRServerlessJobRule"
      },
      { Sid = "Tell", Action = ["sns:Publish"], Resource = "arn:aws:sns:${local.here}:${var.topic}" },
      local.metrics,
      {
        Sid = "Log" # deliveries of logs have no ARN
        Action = [
          "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
        ]
        Resource = "*"
      },
      local.encrypt,
    ]

    scheduler = [
      { Sid = "Start", Action = ["states:StartExecution"], Resource = "arn:aws:states:${local.here}:stateMachine:${var.workflow}" },
      local.encrypt,
    ]

    analyst   = local.asking.analyst
    scientist = local.asking.scientist
  }
}
