# The stream of trades, between start and stop. On demand it costs money by the hour, and by what goes through it. It has
# no sibling for rejected records: these are files in a bucket, which cost nothing by the hour and are kept for longer.

locals {
  stream = "${var.name}-trades"
}

resource "aws_kinesis_stream" "trades" {
  count = var.streaming ? 1 : 0

  name             = local.stream
  retention_period = var.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = var.key_arn

  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}
