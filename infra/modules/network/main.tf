# A VPC without a way to the internet, for the jobs that read Kinesis. All of it is free but the interface endpoints. The
# VPC stays when streaming ends: an application of EMR Serverless whose subnets change is replaced.

locals {
  # Through these endpoints only identities of this account act.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
    }]
  })
}

resource "aws_vpc" "this" {
  cidr_block           = "10.42.0.0/16"
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# The group that a VPC comes with lets nothing in or out.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-closed" }
}

resource "aws_subnet" "jobs" {
  for_each = { for number, zone in var.zones : zone => number }

  vpc_id            = aws_vpc.this.id
  availability_zone = "${var.region}${each.key}"
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 4, each.value)

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table" "jobs" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_route_table_association" "jobs" {
  for_each = aws_subnet.jobs

  subnet_id      = each.value.id
  route_table_id = aws_route_table.jobs.id
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(["s3", "dynamodb"])

  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  route_table_ids   = [aws_route_table.jobs.id]
  policy            = local.policy

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.streaming ? var.interface_endpoints : []

  vpc_id              = aws_vpc.this.id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.jobs : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]
  policy              = local.policy

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_security_group" "jobs" {
  name        = "${var.name}-jobs"
  description = "Drivers and executors"
  vpc_id      = aws_vpc.this.id

  ingress {
    description = "A driver and its executors"
    protocol    = "tcp"
    from_port   = 0
    to_port     = 65535
    self        = true
  }

  egress {
    description = "A driver and its executors"
    protocol    = "tcp"
    from_port   = 0
    to_port     = 65535
    self        = true
  }

  egress {
    description     = "Services with an interface endpoint"
    protocol        = "tcp"
    from_port       = 443
    to_port         = 443
    security_groups = [aws_security_group.endpoints.id]
  }

  egress {
    description     = "Services with a gateway"
    protocol        = "tcp"
    from_port       = 443
    to_port         = 443
    prefix_list_ids = [for gateway in aws_vpc_endpoint.gateway : gateway.prefix_list_id]
  }

  tags = { Name = "${var.name}-jobs" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "from_jobs" {
  security_group_id            = aws_security_group.endpoints.id
  referenced_security_group_id = aws_security_group.jobs.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  description                  = "Jobs"
}
