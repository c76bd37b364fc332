"""Roles as Terraform plans them, in an emulation of AWS that holds permissions, and policies that allow less."""

from __future__ import annotations

import copy
import itertools
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

from botocore.exceptions import ClientError

from coattail.errors import CoattailError
from coattail.home import Home
from coattail.stores import dynamo
from coattail.stores.catalog import NAMESPACE
from tests.harness.emulator import CREDENTIALS
from tests.harness.planned import ACCOUNT, REGION, Plan

Policy = dict[str, Any]
Work = Callable[["Roles"], None]

ROOT = {**CREDENTIALS, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
"""Environment of whoever may do everything: the emulator takes twelve digits of a key for an account."""
PLACE = f"ssm:/coattail/dev?region={REGION}"
UNKNOWN_CONDITIONS = ("kms:ResourceAliases", "cloudwatch:namespace")
"""Keys of conditions that the emulator does not know: it refuses whatever depends on them."""
ANYONE = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    ],
}
"""Who may take a role here. Services take most of them, and the emulator is none."""
ASKED_ELSEWHERE = {
    "ssm:GetParametersByPath": "*",
    "athena:GetQueryExecution": "*",
    "athena:GetQueryResults": "*",
    "athena:StopQueryExecution": "*",
    "glue:GetDatabase": f"arn:aws:glue:{REGION}:{ACCOUNT}:table/{NAMESPACE}",
}
"""Actions for which the emulator asks another resource than AWS: it is allowed them there, too."""
PERMISSION = re.compile(r"may not be used|AccessDenied|ACCESS_DENIED|not authorized")
"""In what is said where a permission lacks."""

_GLUE = f"arn:aws:glue:{REGION}:{ACCOUNT}"
_CHECKPOINT = f"arn:aws:s3:::coattail-dev-checkpoint-{ACCOUNT}-{REGION}"
UNENFORCED = {
    "Key: ": "no service of the emulation encrypts anything",
    "Settings: on ": "the emulation asks for *, whatever the path",
    **dict.fromkeys(
        (f"{sid}: on {_GLUE}:{what}" for sid in ("Catalog", "Table", "AllTables") for what in ("catalog", "table/")),
        "the emulation asks for the database alone",
    ),
    "Schemas: ": "Athena asks the catalog, and its engine is not emulated",
    "Log: ": "Lambda itself writes the log",
    "Artifacts: ": "EMR Serverless itself reads them",
    f"LogsAndReports: on {_CHECKPOINT}/artifacts/logs/": "EMR Serverless itself writes them",
    f"Buckets: on {_CHECKPOINT}": "EMR Serverless itself lists it",
    "Tables: ": "Athena asks Lake Formation, and its engine is not emulated",
    "Answers: ": "Athena's engine, which is not emulated, writes answers",
    "AnswersBucket: ": "Athena's engine, which is not emulated, asks",
}
"""Beginnings of what `mutations` calls a policy without something that no emulation refuses, and why."""


def unenforced(less: str) -> bool:
    """Whether it is on the list."""
    return less.startswith(tuple(UNENFORCED))


FUNCTIONS_NEED = {
    "api": ("dynamodb:GetItem", "dynamodb:Query"),
    "loader": ("s3:PutObject", "s3:ListBucket"),
    "gate": ("glue:GetTable", "s3:GetObject"),
    "catalog": ("glue:GetTables", "s3:GetObject", "dynamodb:PutItem"),
}
"""What functions are allowed, beside their log and the key; a test holds it against the plan."""


class Refused(Exception):
    """What a role could not do: an error, or a warning in the log."""


@dataclass
class Roles:
    """The planned roles, and what they work on, in an emulation."""

    plan: Plan
    endpoint: str
    folder: Path
    """For the homes of what works."""
    exchange: str
    """Where an exchange is asked for past trades."""

    def __post_init__(self) -> None:
        self._homes, self.minutes = itertools.count(), itertools.count()
        self.place = f"{PLACE}&endpoint={self.endpoint}"
        self.history = self._reached(f"s3://{self.bucket('raw')}/historical?region={REGION}")
        self.reports = self._reached(f"s3://{self.bucket('checkpoint')}/artifacts/reports?region={REGION}")
        for planned in self.plan.of("aws_iam_role"):
            with self.client("iam") as iam:
                iam.create_role(RoleName=planned["name"], AssumeRolePolicyDocument=json.dumps(ANYONE))
        with self.client("s3") as s3:
            for planned in self.plan.of("aws_s3_bucket"):
                s3.create_bucket(Bucket=planned["bucket"], CreateBucketConfiguration={"LocationConstraint": REGION})
        [table] = self.plan.of("aws_dynamodb_table")
        with self.as_root():
            dynamo.create(table["name"], region=REGION, endpoint=self.endpoint)
        self.clear()
        with self.client("kinesis") as kinesis:
            for stream in self.plan.of("aws_kinesis_stream"):
                kinesis.create_stream(StreamName=stream["name"], ShardCount=1)
                kinesis.get_waiter("stream_exists").wait(
                    StreamName=stream["name"], WaiterConfig={"Delay": 1, "MaxAttempts": 20}
                )
        self._make_workflow_and_workgroup()
        with self.client("ssm") as ssm:
            for parameter in self.plan.of("aws_ssm_parameter"):
                if "insecure_value" in parameter:
                    value = self._reached(parameter["insecure_value"])
                    ssm.put_parameter(Name=parameter["name"], Type="String", Value=value, Overwrite=True)

    def _make_workflow_and_workgroup(self) -> None:
        nothing = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
        with self.client("stepfunctions") as states:
            self.workflow = states.create_state_machine(
                name="coattail-dev-daily", definition=json.dumps(nothing),
                roleArn=f"arn:aws:iam::{ACCOUNT}:role/coattail-dev-workflow",
            )["stateMachineArn"]  # fmt: skip
        with self.client("athena") as athena:
            for planned in self.plan.of("aws_athena_workgroup"):
                output = planned["configuration"][0]["result_configuration"][0]["output_location"]
                athena.create_work_group(
                    Name=planned["name"], Configuration={"ResultConfiguration": {"OutputLocation": output}}
                )

    def _reached(self, value: str) -> str:
        """A setting as it is planned for this endpoint."""
        if value.startswith("{") and "glue.region" in value:
            return json.dumps({**json.loads(value), **dict.fromkeys(("glue.endpoint", "s3.endpoint"), self.endpoint)})
        return f"{value}&endpoint={quote(self.endpoint, safe='')}" if "?region=" in value else value

    def clear(self) -> None:
        """Forget what work has left behind, but the stream and files of history."""
        for bucket, folder in (("processed", ""), ("raw", "dlq/"), ("checkpoint", "")):
            self.empty(bucket, folder)
        with self.client("glue") as glue:
            for planned in self.plan.of("aws_glue_catalog_database"):
                with suppress(glue.exceptions.EntityNotFoundException):
                    glue.delete_database(Name=planned["name"])
                glue.create_database(DatabaseInput={"Name": planned["name"]})
        [table] = self.plan.of("aws_dynamodb_table")
        with self.client("dynamodb") as client:
            for item in client.scan(TableName=table["name"])["Items"]:
                client.delete_item(TableName=table["name"], Key={name: item[name] for name in dynamo.KEY})

    def empty(self, role: str, folder: str) -> None:
        """Delete what is in a folder of a bucket."""
        name = self.bucket(role)
        with self.client("s3") as s3:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=folder):
                if keys := [{"Key": each["Key"]} for each in page.get("Contents", [])]:
                    s3.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})

    def bucket(self, role: str) -> str:
        """The bucket raw, processed, checkpoint or athena."""
        [name] = [r["values"]["bucket"] for r in self.plan.resources()
                  if r["type"] == "aws_s3_bucket" and r["index"] == role]  # fmt: skip
        return str(name)

    def home(self) -> Home:
        """A new home."""
        return Home.open(self.folder / f"home-{next(self._homes)}", create=True)

    def put(self, role: str, key: str, content: bytes) -> None:
        """Put an object into the bucket raw, processed, checkpoint or athena."""
        with self.client("s3") as s3:
            s3.put_object(Bucket=self.bucket(role), Key=key, Body=content)

    def variables(self, function: str) -> dict[str, str]:
        """The environment that is planned for a function."""
        [found] = [each["environment"][0]["variables"] for each in self.plan.of("aws_lambda_function")
                   if each["function_name"] == f"coattail-dev-{function}"]  # fmt: skip
        return {name: self._reached(value) for name, value in found.items()}

    @contextmanager
    def as_root(self) -> Iterator[None]:
        """This process as whoever may do everything, in the block."""
        with mock.patch.dict(os.environ, ROOT):
            os.environ.pop("AWS_SESSION_TOKEN", None)
            yield

    @contextmanager
    def client(self, service: str) -> Iterator[Any]:
        """A client of whoever may do everything."""
        import boto3

        with self.as_root():
            made = boto3.session.Session().client(service, region_name=REGION, endpoint_url=self.endpoint)
        with closing(made):
            yield made

    def policy(self, role: str) -> Policy:
        """What the plan allows a role."""
        found = [r["values"]["policy"] for r in self.plan.resources()
                 if r["type"] == "aws_iam_role_policy" and r.get("index") == role]  # fmt: skip
        document: Policy = json.loads(found[0])
        return document

    def allow(self, role: str, policy: Policy) -> None:
        """Give a role a policy in place of its own, as the emulator understands it."""
        self.allow_as_it_is(role, understood(policy))

    def allow_as_it_is(self, role: str, policy: Policy) -> None:
        """Give a role a policy in place of its own."""
        with self.client("iam") as iam:
            iam.put_role_policy(RoleName=f"coattail-dev-{role}", PolicyName="own", PolicyDocument=json.dumps(policy))

    @contextmanager
    def acting(self, role: str) -> Iterator[None]:
        """This process as the role, for every client that is made in the block."""
        with self.client("sts") as sts:
            given = sts.assume_role(
                RoleArn=f"arn:aws:iam::{ACCOUNT}:role/coattail-dev-{role}", RoleSessionName="at-work"
            )["Credentials"]
        keys = {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"], "AWS_ENDPOINT_URL": self.endpoint,
        }  # fmt: skip
        with mock.patch.dict(os.environ, {**ROOT, **keys}):
            yield

    def fails(self, role: str, policy: Policy, work: Sequence[Work]) -> str:
        """What refuses the work with this policy; empty if it is done.

        Raises: AssertionError: If it fails for another reason than a permission.
        """
        self.allow(role, policy)
        with self.acting(role), warnings() as said:
            for part in work:
                try:
                    part(self)
                except (CoattailError, Refused, ClientError) as error:
                    said.append(str(error))
                if said:
                    assert PERMISSION.search(said[-1]), said
                    return said[-1]
        return ""


def understood(policy: Policy) -> Policy:
    """The policy as the emulator understands it: without conditions that it does not know, and with what it asks in
    place of another resource.
    """
    known = copy.deepcopy(policy)
    for statement in known["Statement"]:
        for operator, keys in list(statement.get("Condition", {}).items()):
            if any(key in UNKNOWN_CONDITIONS for key in keys):
                del statement["Condition"][operator]
    known["Statement"] += [
        {"Effect": "Allow", "Action": action, "Resource": ASKED_ELSEWHERE[action]}
        for statement in policy["Statement"]
        for action in statement["Action"]
        if action in ASKED_ELSEWHERE
    ]
    return known


@contextmanager
def warnings() -> Iterator[list[str]]:
    """What coattail warns of in its log meanwhile."""
    said: list[str] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler = Heard(logging.WARNING)
    logging.getLogger("coattail").addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger("coattail").removeHandler(handler)


def mutations(policy: Policy) -> Iterator[tuple[str, Policy]]:
    """Each policy that allows less: without one action, or with one resource that has another name."""
    for place, statement in enumerate(policy["Statement"]):
        for action in statement["Action"]:
            less = copy.deepcopy(policy)
            less["Statement"][place]["Action"].remove(action)
            if not less["Statement"][place]["Action"]:
                del less["Statement"][place]
            yield f"{statement['Sid']}: {action}", less
        given = statement["Resource"]
        resources = [given] if isinstance(given, str) else given
        for number, resource in enumerate(resources):
            if resource != "*":
                other = copy.deepcopy(policy)
                names = [*resources[:number], renamed(resource), *resources[number + 1 :]]
                other["Statement"][place]["Resource"] = names
                yield f"{statement['Sid']}: on {resource}", other


def renamed(resource: str) -> str:
    """The ARN of something else."""
    head, _, name = resource.rpartition(":")
    first, slash, rest = name.partition("/")
    return f"{head}:{first}/other{slash and '-'}{rest}" if slash else f"{head}:other-{name}"
