"""Credentials as EMR Serverless hands them to a job: an address that gives those of its role. Source: GDAL issue 8858,
which tells what a job finds there: AWS_CONTAINER_CREDENTIALS_FULL_URI, and no instance metadata."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.harness.aws_place import REGION

_ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
_LASTS = timedelta(minutes=50)


@contextlib.contextmanager
def container_credentials(service: str, actions: list[str]) -> Iterator[dict[str, str]]:
    """The environment of a job whose role may do these actions, and which has no key and no other source of one.

    service: An emulator that holds permissions, of whose root the environment has the key.
    """
    keys = _of_a_role(service, actions)
    expires = f"{datetime.now(UTC) + _LASTS:%Y-%m-%dT%H:%M:%SZ}"
    given = json.dumps({
        "RoleArn": "of the job", "AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"],
        "Token": keys["SessionToken"], "Expiration": expires,
    }).encode()  # fmt: skip

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(given)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_port}/of-the-role",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": REGION,
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _of_a_role(service: str, actions: list[str]) -> dict[str, Any]:
    import boto3

    there = {"region_name": REGION, "endpoint_url": service}
    iam, sts = boto3.session.Session().client("iam", **there), boto3.session.Session().client("sts", **there)
    trust, allowed = ({"Version": "2012-10-17", "Statement": [said]} for said in (
        _ANYBODY, {"Effect": "Allow", "Action": actions, "Resource": "*"},
    ))  # fmt: skip
    arn = iam.create_role(RoleName="job", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="job", PolicyName="work", PolicyDocument=json.dumps(allowed))
    keys: dict[str, Any] = sts.assume_role(RoleArn=arn, RoleSessionName="job-1")["Credentials"]
    iam.close()
    sts.close()
    return keys
