# Who sees what of the tables: analysts all but raw payloads, scientists everything. The folder of the tables is registered
# in hybrid mode, so whoever is not opted in, as the jobs that write, stays with what IAM allows. An administrator of
# Lake Formation applies this, after tables are there; the account's list of administrators is not touched.

locals {
  folder = "arn:aws:s3:::${var.bucket}/warehouse"

  opted_in = toset(["analyst", "scientist"])
}

# Who reads files for those who are opted in: it cannot write, whatever is granted.
resource "aws_iam_role" "reader" {
  name        = "${var.name}-lake-formation"
  description = "Reads files of tables for whom Lake Formation lets see them"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lakeformation.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "reader" {
  name = "own"
  role = aws_iam_role.reader.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${local.folder}/*"
      },
      {
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = "arn:aws:s3:::${var.bucket}"
        Condition = { StringLike = { "s3:prefix" = ["warehouse", "warehouse/*"] } }
      },
      {
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = "arn:aws:kms:${var.region}:${var.account_id}:key/*"
        Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = var.key_alias } }
      },
    ]
  })
}

resource "aws_lakeformation_resource" "tables" {
  arn                   = local.folder
  role_arn              = aws_iam_role.reader.arn
  hybrid_access_enabled = true
}

# Whoever makes a table in a registered folder needs this, opted in or not. What they read and write, IAM says.
resource "aws_lakeformation_permissions" "writer_location" {
  principal   = var.roles.jobs
  permissions = ["DATA_LOCATION_ACCESS"]

  data_location {
    arn = aws_lakeformation_resource.tables.arn
  }
}

resource "aws_lakeformation_permissions" "writer_database" {
  principal   = var.roles.jobs
  permissions = ["CREATE_TABLE", "DESCRIBE"]

  database {
    name = var.database
  }
}

resource "aws_lakeformation_permissions" "writer_tables" {
  principal   = var.roles.jobs
  permissions = ["ALTER", "DESCRIBE"]

  table {
    database_name = var.database
    wildcard      = true
  }
}

# A table is restricted until somebody says that it is open: a new one has the tag of its database.
resource "aws_lakeformation_lf_tag" "sensitivity" {
  key    = "${var.name}-sensitivity"
  values = ["open", "restricted"]
}

resource "aws_lakeformation_resource_lf_tags" "database" {
  database {
    name = var.database
  }

  lf_tag {
    key   = aws_lakeformation_lf_tag.sensitivity.key
    value = "restricted"
  }
}

resource "aws_lakeformation_resource_lf_tags" "open" {
  for_each = var.open_tables

  table {
    database_name = var.database
    name          = each.value
  }

  lf_tag {
    key   = aws_lakeformation_lf_tag.sensitivity.key
    value = "open"
  }

  depends_on = [aws_lakeformation_resource_lf_tags.database]
}

resource "aws_lakeformation_permissions" "database" {
  for_each = local.opted_in

  principal   = var.roles[each.value]
  permissions = ["DESCRIBE"]

  database {
    name = var.database
  }
}

# Grants add up, so an analyst has none that covers raw_trades but this one.
resource "aws_lakeformation_permissions" "analyst_trades" {
  principal   = var.roles.analyst
  permissions = ["SELECT"]

  table_with_columns {
    database_name         = var.database
    name                  = "raw_trades"
    wildcard              = true
    excluded_column_names = ["raw_event_payload"]
  }
}

resource "aws_lakeformation_permissions" "by_tag" {
  for_each = { analyst = ["open"], scientist = ["open", "restricted"] }

  principal   = var.roles[each.key]
  permissions = ["DESCRIBE", "SELECT"]

  lf_tag_policy {
    resource_type = "TABLE"

    expression {
      key    = aws_lakeformation_lf_tag.sensitivity.key
      values = each.value
    }
  }
}

# From here on, what the two read goes by these grants, and not by IAM alone.
resource "aws_lakeformation_opt_in" "database" {
  for_each = local.opted_in

  principal {
    data_lake_principal_identifier = var.roles[each.value]
  }

  resource_data {
    database {
      name = var.database
    }
  }

  depends_on = [aws_lakeformation_resource.tables]
}

resource "aws_lakeformation_opt_in" "tables" {
  for_each = local.opted_in

  principal {
    data_lake_principal_identifier = var.roles[each.value]
  }

  resource_data {
    table {
      database_name = var.database
      wildcard      = true
    }
  }

  depends_on = [aws_lakeformation_resource.tables]
}
