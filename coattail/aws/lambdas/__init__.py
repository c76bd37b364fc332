"""What runs on AWS Lambda: small programs, each with a zip of its own (`coattail.aws.zips`).

- `api`      events of API Gateway -> the answers of `coattail api`
- `loader`   an instrument and a time -> files of history in a bucket, a few minutes of it at a time
- `gate`     the newest commit of raw_trades -> whether enough of what came in was good
- `catalog`  the tables -> their rows, files, bytes and snapshots, as a fact of the hot store

A module is a pure function and a thin handler; none of them imports Polars, PyArrow or PyIceberg. docs/AWS.md.
"""
