"""What an hour of streaming uses, and what a daily run does."""

from __future__ import annotations

from collections.abc import Iterator

from coattail.aws.costs.items import CostItem, item
from coattail.aws.costs.streams import (
    GB,
    GETS_A_COMMIT,
    GLUE_A_COMMIT,
    GLUE_BYTES_A_COMMIT,
    HOT_UNITS_AN_HOUR,
    KMS_REQUESTS_AN_HOUR,
    METRIC_CALLS_AN_HOUR,
    METRICS,
    PUTS_A_COMMIT,
    UNITS_AN_ALERT,
    StreamedLoad,
)
from coattail.prices import PriceTable
from coattail.tiers import Workers

FREE_HOURS = 24
"""That Kinesis keeps what came in. Source: aws.amazon.com/kinesis/data-streams/pricing."""
CALL_GB_SECONDS = 0.05
"""Of a call of the API: half a GB for a tenth of a second. A guess, as are the next two."""
CALL_READ_UNITS = 5
CALL_BYTES = 20_000
"""Of an answer."""
CALL_LOG_BYTES = 1_000
"""Its own line, and those of Lambda."""
QUERY_TB = 10 / 1024 / 1024
"""The least that Athena bills: 10 MB."""
RUN_TRANSITIONS = 40
"""Of the daily workflow with seven instruments (ADR 0047)."""
RUN_GB_SECONDS = 90
"""Of its three functions: half a GB for a minute each. A guess."""
RUN_METRICS = 50
"""That are billed for the hour: four of each table, and those of gate and workflow."""
HOT_GB = 0.1
"""In DynamoDB, indices included: 20,000 alerts. A guess."""


def streaming_items(
    load: StreamedLoad, workers: Workers, architecture: str, prices: PriceTable, *, endpoints: bool
) -> Iterator[CostItem]:
    """What one hour takes while a job follows the stream. endpoints: Whether it reaches services through them."""
    commits = load.commits_per_hour
    yield item(prices, f"emr_vcpu_hour_{architecture}", workers.vcpus, f"{workers.count} workers, their vCPU")
    yield item(prices, f"emr_gb_hour_{architecture}", workers.memory_gbs, f"{workers.count} workers, their memory")
    yield item(prices, "kinesis_gb_in", load.gb_per_hour, "trades into the stream")
    yield item(prices, "kinesis_gb_out", load.gb_per_hour, "trades out of the stream")
    if load.kept_hours > FREE_HOURS:
        kept = load.gb_per_hour * (load.kept_hours - FREE_HOURS)
        yield item(prices, "kinesis_extended_gb_month", kept, "trades kept for longer than a day", monthly=True)
    if endpoints:
        through = load.gb_per_hour + commits * GLUE_BYTES_A_COMMIT / GB
        yield item(prices, "endpoint_gb", through, "through the interface endpoints")
    yield item(prices, "s3_put", commits * PUTS_A_COMMIT, "commits: PUT and LIST")
    yield item(prices, "s3_get", commits * GETS_A_COMMIT, "commits: GET and HEAD")
    yield item(prices, "glue_request", commits * GLUE_A_COMMIT, "commits: the catalog")
    yield item(prices, "dynamodb_write", HOT_UNITS_AN_HOUR, "facts and the lease")
    yield item(prices, "dynamodb_write", load.alerts_per_hour * UNITS_AN_ALERT, "alerts, in the table and its indices")
    yield item(prices, "cloudwatch_metric_month", METRICS, "metrics of commits", monthly=True)
    yield item(prices, "cloudwatch_request", METRIC_CALLS_AN_HOUR, "metrics of commits, sent")
    yield item(prices, "kms_request", KMS_REQUESTS_AN_HOUR, "data keys")
    yield from _asked(load, architecture, prices)


def _asked(load: StreamedLoad, architecture: str, prices: PriceTable) -> Iterator[CostItem]:
    """What people take."""
    calls = load.api_calls_per_hour
    yield item(prices, "api_request", calls, "calls of the API")
    yield item(prices, "lambda_request", calls, "calls of the API, invocations")
    yield item(prices, f"lambda_gb_second_{architecture}", calls * CALL_GB_SECONDS, "calls of the API, their time")
    yield item(prices, "dynamodb_read", calls * CALL_READ_UNITS, "calls of the API, what they read")
    yield item(prices, "logs_gb", calls * CALL_LOG_BYTES / GB, "calls of the API, their log")
    yield item(prices, "internet_gb", calls * CALL_BYTES / GB, "calls of the API, answers")
    yield item(prices, "athena_tb", load.queries_per_hour * QUERY_TB, "queries")


def stored_items(load: StreamedLoad, prices: PriceTable) -> Iterator[CostItem]:
    """What is stored costs, streaming or not."""
    yield item(prices, "s3_gb_month", load.stored_gb, "tables and files", when="always", monthly=True)
    yield item(prices, "dynamodb_gb_month", HOT_GB, "alerts and facts", when="always", monthly=True)


def daily_items(load: StreamedLoad, workers: Workers, architecture: str, prices: PriceTable) -> Iterator[CostItem]:
    """What one daily run takes: a batch job of the tier's size, three functions and the workflow."""
    hours = load.daily_minutes / 60
    yield item(prices, f"emr_vcpu_hour_{architecture}", workers.vcpus * hours, "its job, vCPU", when="daily run")
    yield item(prices, f"emr_gb_hour_{architecture}", workers.memory_gbs * hours, "its job, memory", when="daily run")
    yield item(prices, f"lambda_gb_second_{architecture}", RUN_GB_SECONDS, "loader, gate, catalog", when="daily run")
    yield item(prices, "step_transition", RUN_TRANSITIONS, "the workflow", when="daily run")
    yield item(prices, "cloudwatch_metric_month", RUN_METRICS, "its metrics", when="daily run", monthly=True)
    yield item(prices, "scheduler_call", 1, "its schedule", when="daily run")
    yield item(prices, "sns_request", 1, "a message, if it fails", when="daily run")
    yield item(prices, "sns_mail", 1, "a mail, if it fails", when="daily run")
