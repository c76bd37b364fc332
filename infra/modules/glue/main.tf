# The catalog of the tables, and the workgroups in which Athena reads them. Tables are made by the engine, which knows
# their schemas. The database has no location of its own: tables lie below the warehouse, as everywhere.

locals {
  # Analysts have a workgroup and a folder of their own: what somebody else was answered may hold what they do not see.
  workgroups = {
    everybody = { name = var.name, folder = var.results }
    analyst   = { name = "${var.name}-analyst", folder = "${var.results}analyst/" }
  }
}

resource "aws_glue_catalog_database" "this" {
  name        = "coattail" # as coattail calls it
  description = "Tables of ${var.name}"
}

resource "aws_athena_workgroup" "this" {
  for_each = local.workgroups

  name          = each.value.name
  description   = "SQL over the tables of ${var.name}"
  force_destroy = var.force_destroy

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.query_limit_gb * 1000000000

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = each.value.folder
      expected_bucket_owner = var.account_id

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = var.key_arn
      }
    }
  }
}
