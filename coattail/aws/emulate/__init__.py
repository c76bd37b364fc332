"""The services of AWS on this machine, at one address: a local emulation, to try the whole way without an account.

ministack answers for Kinesis, S3, Glue, DynamoDB, SSM, IAM and more. A thin front answers for what that lacks:

- `athena`     statements are run by DuckDB over the emulated lake, and answered in Athena's form
- `emr`        EMR Serverless: jobs are processes of this machine
- `formation`  Lake Formation: permissions are recorded, not enforced
- `front`      which of them a request is for; everything else passes through
- `place`      what a place of coattail needs, made at the start
- `steps`      jobs as a step of Step Functions
- `serving`    the server, from its start to its end
"""

REGION = "us-east-1"
"""Of everything that is made at the start."""
KEY = "emulated"
"""The made-up access key, and its secret."""
