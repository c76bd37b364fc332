# The daily workflow: Step Functions loads what was traded, has a job land it, asks the gate, counts the tables, and tells
# people what fails. A schedule starts it, if it is switched on. What it does is in daily.asl.json.tftpl.

locals {
  heap_gb = 1 # of the JVM; the rest of the memory is Python's

  spark = merge(
    {
      "spark.driver.cores"              = var.workers.vcpu
      "spark.driver.memory"             = "${local.heap_gb}g"
      "spark.driver.memoryOverhead"     = "${var.workers.memory_gb - local.heap_gb}g"
      "spark.executor.cores"            = var.workers.vcpu
      "spark.executor.memory"           = "${local.heap_gb}g"
      "spark.executor.memoryOverhead"   = "${var.workers.memory_gb - local.heap_gb}g"
      "spark.executor.instances"        = var.workers.count - 1
      "spark.dynamicAllocation.enabled" = false
    },
    var.bundle == null ? {} : {
      "spark.archives"                            = "${var.artifacts}/${var.bundle}#deps"
      "spark.emr-serverless.driverEnv.PYTHONPATH" = "./deps"
      "spark.executorEnv.PYTHONPATH"              = "./deps"
      "spark.executorEnv.POLARS_MAX_THREADS"      = 1
      "spark.python.daemon.module"                = "coattail.spark.worker"
    },
  )

  # What coattail itself would send for the job `backfill`; a test compares them.
  job = {
    ApplicationId           = var.application_id
    ExecutionRoleArn        = var.roles.jobs
    Name                    = "coattail-backfill"
    Mode                    = "BATCH"
    ExecutionTimeoutMinutes = 180
    JobDriver = {
      SparkSubmit = {
        EntryPoint            = "${var.artifacts}/jobs/backfill.py"
        EntryPointArguments   = ["backfill", jsonencode({ options = local.options, settings = { place = var.place } })]
        SparkSubmitParameters = join(" ", [for name, value in local.spark : "--conf ${name}=${value}"])
      }
    }
    ConfigurationOverrides = {
      MonitoringConfiguration = { S3MonitoringConfiguration = { LogUri = "${var.artifacts}/logs/" } }
    }
  }
  options = { source = "files", files_from = var.historical }

  # What a service answers that is busy or broken for a moment.
  retry = {
    ErrorEquals     = ["States.TaskFailed"]
    IntervalSeconds = 2
    MaxAttempts     = 3
    BackoffRate     = 2.5
    JitterStrategy  = "FULL"
  }
  of_lambda = ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException"]

  definition = templatefile("${path.module}/daily.asl.json.tftpl", {
    name      = var.name
    namespace = var.name
    functions = var.functions
    topic_arn = var.topic_arn
    runbook   = "${var.runbook_url}#alarm-workflow-failed"
    rounds    = 20
    job       = jsonencode(local.job)

    usual = jsonencode({ instruments = var.instruments, since = "yesterday", until = "today", threshold = 95 })

    retry           = jsonencode(local.retry)
    retry_of_lambda = jsonencode(merge(local.retry, { ErrorEquals = local.of_lambda, MaxAttempts = 6 }))
    retry_of_stores = jsonencode(merge(local.retry, { ErrorEquals = ["StoreError"] }))

    caught = { for step in ["loading history", "landing the files", "judging the quality", "counting the tables", "saying so in CloudWatch"] : step => jsonencode({
      ErrorEquals = ["States.ALL"]
      Assign      = { failed = { step = step, error = "{% $states.errorOutput %}" } }
      Next        = "Why"
    }) }
  })
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/vendedlogs/states/${var.workflow}"
  retention_in_days = 30
  kms_key_id        = var.key_arn
}

resource "aws_sfn_state_machine" "this" {
  name       = var.workflow
  role_arn   = var.roles.workflow
  definition = local.definition

  # What has failed, with what it was given: instruments, counts and addresses, and no secret.
  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
    level                  = "ERROR"
    include_execution_data = true
  }
}

resource "aws_scheduler_schedule" "this" {
  name                         = var.workflow
  description                  = "The daily workflow of ${var.name}, at 02:00 UTC"
  state                        = var.schedule_enabled ? "ENABLED" : "DISABLED"
  schedule_expression          = "cron(0 2 * * ? *)"
  schedule_expression_timezone = "UTC"
  kms_key_arn                  = var.key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sfn_state_machine.this.arn
    role_arn = var.roles.scheduler
    input    = "{}" # as usual

    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 5
    }
  }
}
