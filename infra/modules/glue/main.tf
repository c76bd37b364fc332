# The catalog of the tables, and the workgroup in which Athena reads them. Tables are made by the engine, which knows
# their schemas. The database has no location of its own: tables lie below the warehouse, as everywhere.

resource "aws_glue_catalog_database" "this" {
  name        = "coattail" # as coattail calls it
  description = "Tables of ${var.name}"
}

resource "aws_athena_workgroup" "this" {
  name          = var.name
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
      output_location       = var.results
      expected_bucket_owner = var.account_id

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = var.key_arn
      }
    }
  }
}
