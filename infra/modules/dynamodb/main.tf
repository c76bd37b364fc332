# The hot store: the newest alerts and facts, and the lease of the engine. It is as coattail/stores/dynamo.py defines it;
# a test compares them. Without backups: what it holds is derived from the tables and can be filled again.

locals {
  key = ["alert_id", "detected_at"]

  # Index -> its partition and its sort key.
  indices = {
    "type-time-index"    = ["alert_type", "place"]
    "symbol-time-index"  = ["symbol", "place"]
    "day-time-index"     = ["day", "place"]
    "written-time-index" = ["written_day", "written"]
  }
}

resource "aws_dynamodb_table" "this" {
  name         = "${var.name}-alerts"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = local.key[0]
  range_key    = local.key[1]

  dynamic "attribute" {
    for_each = toset(concat(local.key, values(local.indices)...))

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.indices

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value[0]
      range_key       = global_secondary_index.value[1]
      projection_type = "ALL"
    }
  }

  ttl {
    enabled        = true
    attribute_name = "ttl_epoch"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}
