variable "prefix" {
  description = "First part of every name. With environment, account and region it makes the names of buckets, which may have 63 characters."
  type        = string
  default     = "coattail"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.prefix)) && !can(regex("^(aws|ssm)", var.prefix))
    error_message = "prefix: 2 to 12 lower-case letters and digits, a letter first, and not aws or ssm, with which no path of parameters may begin."
  }
}

variable "environment" {
  description = "Second part of every name, and of the path of the parameters: dev, prod. One environment for an account and region: coattail's database in Glue has one name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,7}$", var.environment))
    error_message = "environment: 2 to 8 lower-case letters and digits, a letter first."
  }
}

variable "account_id" {
  description = "The account in which everything is made; with credentials of another one nothing is."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: 12 digits, as aws sts get-caller-identity says them."
  }
}

variable "region" {
  description = "The region of everything."
  type        = string
  default     = "us-west-2"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region: a name like us-west-2."
  }
}

variable "tier" {
  description = "Which modules run, and how large a job is: the name of a file in coattail/conf/tiers."
  type        = string
  default     = "small"

  validation {
    condition     = contains([for file in fileset("${path.root}/../coattail/conf/tiers", "*.yaml") : trimsuffix(file, ".yaml")], var.tier)
    error_message = "tier: the name of a file in coattail/conf/tiers, without .yaml."
  }
}

variable "streaming" {
  description = "Whether the stream and the interface endpoints are there. They cost money by the hour, used or not: true only between start and stop."
  type        = bool
  default     = false
}

variable "zones" {
  description = "Letters of the availability zones of the subnets. Each costs every interface endpoint once more."
  type        = list(string)
  default     = ["a"]

  validation {
    condition     = length(var.zones) >= 1 && length(var.zones) <= 3 && length(distinct(var.zones)) == length(var.zones) && alltrue([for zone in var.zones : can(regex("^[a-f]$", zone))])
    error_message = "zones: one to three different letters from a to f."
  }
}

variable "interface_endpoints" {
  description = "Services that jobs in the VPC reach by an interface endpoint while streaming; S3 and DynamoDB have gateways, which are free."
  type        = set(string)
  default     = ["kinesis-streams", "glue", "monitoring", "ssm"]

  validation {
    condition     = length(setsubtract(var.interface_endpoints, ["kinesis-streams", "glue", "monitoring", "ssm", "logs", "sts", "kms"])) == 0
    error_message = "interface_endpoints: some of kinesis-streams, glue, monitoring, ssm, logs, sts, kms; each costs about 0.01 USD an hour and zone."
  }
}

variable "retention_hours" {
  description = "How long the stream keeps a record. Beyond 24 hours every hour of data is paid for."
  type        = number
  default     = 24

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 168 && floor(var.retention_hours) == var.retention_hours
    error_message = "retention_hours: a whole number from 24 to 168."
  }
}

variable "query_limit_gb" {
  description = "How much one query of Athena may read, in GB; at 5 USD a TB, 10 GB cost 0.05 USD."
  type        = number
  default     = 10

  validation {
    condition     = var.query_limit_gb >= 1 && var.query_limit_gb <= 1000 && floor(var.query_limit_gb) == var.query_limit_gb
    error_message = "query_limit_gb: a whole number from 1 to 1000."
  }
}

variable "key_deletion_days" {
  description = "How long a deleted key can be taken back. What was encrypted with it is lost then."
  type        = number
  default     = 30

  validation {
    condition     = var.key_deletion_days >= 7 && var.key_deletion_days <= 30 && floor(var.key_deletion_days) == var.key_deletion_days
    error_message = "key_deletion_days: a whole number from 7 to 30."
  }
}

variable "force_destroy" {
  description = "Whether destroy deletes buckets and the workgroup with what they hold. false: it refuses while there is data."
  type        = bool
  default     = false
}

variable "endpoint" {
  description = "The address of an emulation of AWS; null: AWS itself."
  type        = string
  default     = null

  validation {
    condition     = var.endpoint == null ? true : can(regex("^http://(127\\.0\\.0\\.1|localhost):[0-9]+$", var.endpoint))
    error_message = "endpoint: an emulation on this machine, like http://127.0.0.1:4566."
  }
}

variable "tags" {
  description = "More tags for everything."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.tags) : !startswith(lower(name), "aws:") && !contains(["Project", "Environment", "ManagedBy"], name)])
    error_message = "tags: not aws:…, and not Project, Environment or ManagedBy, which are set."
  }
}

variable "architecture" {
  description = "Of the processors of jobs and functions: arm64 costs about a fifth less than x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: arm64 or x86_64."
  }
}

variable "alarm_email" {
  description = "Who gets a mail of every alarm; SNS asks that address to confirm it. null: nobody, and alarms are seen in CloudWatch only."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null ? true : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "alarm_email: an address like you@example.com, or null."
  }
}

variable "billing_thresholds" {
  description = "Sums in USD of a month's bill of the whole account, each with an alarm. \"Receive CloudWatch billing alerts\" has to be on in the account's billing preferences."
  type        = list(number)
  default     = [25, 50]

  validation {
    condition     = length(var.billing_thresholds) <= 5 && length(distinct(var.billing_thresholds)) == length(var.billing_thresholds) && alltrue([for sum in var.billing_thresholds : sum > 0])
    error_message = "billing_thresholds: at most five different sums above 0, like [25, 50]."
  }
}

variable "runbook_url" {
  description = "Where docs/RUNBOOK.md is read: an alarm's text ends with it and the alarm's anchor. By default its path in the repository."
  type        = string
  default     = "docs/RUNBOOK.md"

  validation {
    condition     = can(regex("^[^\\s#]+$", var.runbook_url))
    error_message = "runbook_url: an address or a path without spaces and without #; the anchor follows it."
  }
}

variable "release_label" {
  description = "The release of EMR that jobs run on: Spark 4.1.1, Python 3.11. The one place that says it."
  type        = string
  default     = "emr-spark-8.1.0"

  validation {
    condition     = can(regex("^emr-(spark-)?[0-9]+\\.[0-9]+\\.[0-9]+$", var.release_label))
    error_message = "release_label: a release of EMR Serverless, like emr-spark-8.1.0."
  }
}

variable "bundle" {
  description = "What jobs run from: the name that coattail aws bundle --upload says; null: no job can be submitted."
  type        = string
  default     = null

  validation {
    condition     = var.bundle == null ? true : can(regex("^deps-[0-9a-f]{16}-${var.architecture}\\.tar\\.gz$", var.bundle))
    error_message = "bundle: the name of a bundle for the architecture, like deps-0123456789abcdef-arm64.tar.gz."
  }
}

variable "zips" {
  description = "The folder into which coattail aws zips has packed the functions."
  type        = string
  default     = "../build/lambdas"

  validation {
    condition     = alltrue([for name in ["zips.json", "api.zip", "loader.zip", "gate.zip", "catalog.zip"] : fileexists("${var.zips}/${name}")])
    error_message = "zips: the functions are not packed there: run coattail aws zips --python 3.13, or name the folder that it wrote."
  }

  validation {
    condition = !fileexists("${var.zips}/zips.json") ? true : alltrue([
      for zip in jsondecode(file("${var.zips}/zips.json")).zips : zip.architecture == var.architecture
    ])
    error_message = "zips: the functions are packed for another architecture: run coattail aws zips --python 3.13 --architecture ${var.architecture}."
  }
}

variable "analyst_principals" {
  description = "ARNs of the users of IAM who may become the analyst, each with MFA; empty: nobody may. A role cannot: it shows no MFA."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for principal in var.analyst_principals : can(regex("^arn:aws:iam::[0-9]{12}:user/[A-Za-z0-9+=,.@_/-]+$", principal))])
    error_message = "analyst_principals: ARNs of users, like arn:aws:iam::123456789012:user/ada."
  }
}

variable "govern" {
  description = "Whether Lake Formation says which columns analysts and scientists see. Only its administrators can apply that, and only after tables are there."
  type        = bool
  default     = false
}

variable "open_tables" {
  description = "Tables that analysts see as they are, if govern; each has to be there. All others but raw_trades are hidden from them."
  type        = set(string)
  default = [
    "anomaly_alerts", "bars", "coverage", "exchange_spreads", "large_trades", "quality_metrics", "sessions",
    "volume_aggregates", "whale_trades",
  ]

  validation {
    condition     = !contains(var.open_tables, "raw_trades")
    error_message = "open_tables: not raw_trades, whose payloads analysts do not see."
  }
}

variable "schedule_enabled" {
  description = "Whether the daily workflow starts by itself, at 02:00 UTC; else only by hand."
  type        = bool
  default     = false
}

variable "instruments" {
  description = "What the daily workflow loads: exchanges and symbols, like binance and BTC-USDT; rest_host: where to ask instead of the exchange's own host. null: those of coattail's own settings."
  type        = list(object({ exchange = string, symbol = string, rest_host = optional(string) }))
  default     = null

  validation {
    condition     = var.instruments == null ? true : length(var.instruments) >= 1 && alltrue([for one in var.instruments : can(regex("^[a-z_]+$", one.exchange)) && can(regex("^[A-Z0-9]+-[A-Z0-9]+(-PERP)?$", one.symbol))])
    error_message = "instruments: at least one, like { exchange = \"binance\", symbol = \"BTC-USDT\" }."
  }
}

variable "rest_hosts" {
  description = "Exchange -> where the daily workflow asks instead of the exchange's own host, for instruments that name none. Binance's own answers nobody in the United States."
  type        = map(string)
  default     = { binance = "https://data-api.binance.vision" }

  validation {
    condition     = alltrue([for host in values(var.rest_hosts) : can(regex("^https?://[^/?#\\s]+$", host))])
    error_message = "rest_hosts: addresses like https://data-api.binance.vision, without a path."
  }
}
