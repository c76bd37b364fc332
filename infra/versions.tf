terraform {
  # 1.10: the state in S3 is locked by a file beside it, without a table of DynamoDB.
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
