"""Types of resources that cost nothing by being there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

FREE = {
    "aws_cloudwatch_event_rule": "events of AWS' own are free",
    "aws_cloudwatch_event_target": "events of AWS' own are free",
    "aws_cloudwatch_log_resource_policy": "says who may",
    "aws_cloudwatch_query_definition": "a saved text",
    "aws_default_security_group": "networks are free",
    "aws_internet_gateway": "free; what leaves by it is billed by use",
    "aws_iam_openid_connect_provider": "IAM is free",
    "aws_iam_policy": "IAM is free",
    "aws_iam_role": "IAM is free",
    "aws_iam_role_policies_exclusive": "IAM is free",
    "aws_iam_role_policy": "IAM is free",
    "aws_iam_role_policy_attachment": "IAM is free",
    "aws_iam_role_policy_attachments_exclusive": "IAM is free",
    "aws_kms_alias": "the key is billed, its name is not",
    "aws_lakeformation_data_cells_filter": "Lake Formation is free",
    "aws_lakeformation_data_lake_settings": "Lake Formation is free",
    "aws_lakeformation_lf_tag": "Lake Formation is free",
    "aws_lakeformation_opt_in": "Lake Formation is free",
    "aws_lakeformation_permissions": "Lake Formation is free",
    "aws_lakeformation_resource": "Lake Formation is free",
    "aws_lakeformation_resource_lf_tag": "Lake Formation is free",
    "aws_lakeformation_resource_lf_tags": "Lake Formation is free",
    "aws_lambda_permission": "says who may",
    "aws_network_acl": "networks are free",
    "aws_route_table": "networks are free",
    "aws_route_table_association": "networks are free",
    "aws_s3_bucket_lifecycle_configuration": "a rule of a bucket",
    "aws_s3_bucket_ownership_controls": "a rule of a bucket",
    "aws_s3_bucket_policy": "a rule of a bucket",
    "aws_s3_bucket_public_access_block": "a rule of a bucket",
    "aws_s3_bucket_server_side_encryption_configuration": "a rule of a bucket",
    "aws_s3_bucket_versioning": "a rule of a bucket; old versions are stored",
    "aws_scheduler_schedule_group": "a folder of schedules",
    "aws_security_group": "networks are free",
    "aws_sns_topic_policy": "says who may",
    "aws_ssm_parameter": "standard parameters are free",
    "aws_subnet": "networks are free",
    "aws_vpc": "networks are free",
    "aws_vpc_security_group_egress_rule": "networks are free",
    "aws_vpc_security_group_ingress_rule": "networks are free",
    "terraform_data": "nothing of AWS",
}
"""Type -> why it costs nothing."""

BY_USE = {
    "aws_apigatewayv2_api": "by calls",
    "aws_apigatewayv2_integration": "by calls of its API",
    "aws_apigatewayv2_route": "by calls of its API",
    "aws_apigatewayv2_stage": "by calls of its API",
    "aws_athena_named_query": "by what queries read",
    "aws_athena_workgroup": "by what queries read",
    "aws_cloudwatch_log_group": "by what is logged",
    "aws_cloudwatch_log_metric_filter": "by what is logged",
    "aws_dynamodb_table": "by what is written, read and stored",
    "aws_emrserverless_application": "by what its jobs use",
    "aws_glue_catalog_database": "by requests, beyond a million a month",
    "aws_lambda_function": "by calls and their time",
    "aws_s3_bucket": "by what is stored and asked",
    "aws_s3_object": "by what is stored",
    "aws_scheduler_schedule": "by calls, beyond 14 million a month",
    "aws_sfn_state_machine": "by transitions, beyond 4,000 a month",
    "aws_sns_topic": "by messages, beyond a million a month",
    "aws_sns_topic_subscription": "by mails, beyond a thousand a month",
}
"""Type -> by what it is billed; `running` reckons it."""


def _alarm(values: Mapping[str, Any]) -> str | None:
    metrics = [metric for query in values.get("metric_query") or () for metric in query.get("metric") or ()]
    often = any((each.get("period") or 60) < 60 for each in (values, *metrics))
    return "it looks more often than once a minute" if often else None


def _api(values: Mapping[str, Any]) -> str | None:
    return None if values.get("protocol_type") == "HTTP" else "it is not an HTTP API"


def _application(values: Mapping[str, Any]) -> str | None:
    return "it keeps workers ready" if values.get("initial_capacity") else None


def _endpoint(values: Mapping[str, Any]) -> str | None:
    kind = values.get("vpc_endpoint_type")
    return None if kind in ("Gateway", "Interface") else f"it is a {kind}"


def _parameter(values: Mapping[str, Any]) -> str | None:
    return None if values.get("tier") in (None, "Standard") else f"it is {values['tier']}"


def _stream(values: Mapping[str, Any]) -> str | None:
    modes = [each.get("stream_mode") for each in values.get("stream_mode_details") or ()]
    return None if modes == ["ON_DEMAND"] else "its shards are provisioned"


def _table(values: Mapping[str, Any]) -> str | None:
    if values.get("billing_mode") != "PAY_PER_REQUEST":
        return "its capacity is provisioned"
    kept = any(each.get("enabled") for each in values.get("point_in_time_recovery") or ())
    return "it has backups" if kept else None


def _workflow(values: Mapping[str, Any]) -> str | None:
    return "it is an express workflow" if values.get("type") == "EXPRESS" else None


OTHERWISE: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "aws_apigatewayv2_api": _api,
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_dynamodb_table": _table,
    "aws_emrserverless_application": _application,
    "aws_kinesis_stream": _stream,
    "aws_sfn_state_machine": _workflow,
    "aws_ssm_parameter": _parameter,
    "aws_vpc_endpoint": _endpoint,
}
"""Type -> what says why one that is set so is not priced here; None: it is."""
