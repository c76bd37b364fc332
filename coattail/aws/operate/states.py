"""The bucket of Terraform's state: versioned, encrypted, closed to the public, reached over TLS only."""

from __future__ import annotations

import json

from coattail.aws.operate.account import AwsRefused, Services, worded
from coattail.aws.operate.environment import Environment
from coattail.errors import CoattailError

_KEPT_DAYS = 90
"""Of former states."""
_ABSENT, _OTHERS = ("404", "NoSuchBucket"), ("403", "AccessDenied", "BucketAlreadyExists")


class BucketTaken(CoattailError):
    """A bucket of this name is somebody else's."""


def bucket_exists(services: Services) -> bool:
    """Whether it is there, and this account's.

    Raises: BucketTaken: If it is somebody else's. AwsRefused.
    """
    at = services.environment
    try:
        services.ask("s3", "head_bucket", _what(at), Bucket=at.states, ExpectedBucketOwner=at.account_id)
    except AwsRefused as error:
        if error.code in _ABSENT:
            return False
        if error.code in _OTHERS:
            raise _taken(at) from error
        raise
    return True


def make_bucket(services: Services) -> bool:
    """Make it, unless it is there; either way it is then as it should be. Returns whether it was made.

    Raises: BucketTaken: If it is somebody else's. AwsRefused.
    """
    at = services.environment
    made = not bucket_exists(services)
    if made:
        where = {} if at.region == "us-east-1" else {
            "CreateBucketConfiguration": {"LocationConstraint": at.region}}  # fmt: skip
        try:
            services.ask("s3", "create_bucket", _what(at), Bucket=at.states, **where)
        except AwsRefused as error:
            if error.code in _OTHERS:
                raise _taken(at) from error
            if error.code != "BucketAlreadyOwnedByYou":
                raise
    for operation, arguments in _properties(at).items():
        services.ask("s3", operation, _what(at), Bucket=at.states, **arguments)
    return made


def _properties(at: Environment) -> dict[str, dict[str, object]]:
    """What makes it safe: calls and their arguments. Each may be repeated."""
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    arn = f"arn:aws:s3:::{at.states}"
    over_tls = {
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "OverTlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }],
    }  # fmt: skip
    rule = {
        "ID": "former-states", "Status": "Enabled", "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": _KEPT_DAYS},
    }  # fmt: skip
    key = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    tags = {"Project": at.prefix, "ManagedBy": "coattail"}
    return {
        "put_bucket_versioning": {"VersioningConfiguration": {"Status": "Enabled"}},
        "put_bucket_encryption": {"ServerSideEncryptionConfiguration": {"Rules": [key]}},
        "put_public_access_block": {"PublicAccessBlockConfiguration": closed},
        "put_bucket_policy": {"Policy": json.dumps(over_tls)},
        "put_bucket_lifecycle_configuration": {"LifecycleConfiguration": {"Rules": [rule]}},
        "put_bucket_tagging": {"Tagging": {"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}},
    }


def states_in(services: Services) -> list[str]:
    """The objects in it: a state for each environment, a lock while one is changed. Raises: AwsRefused."""
    at = services.environment
    found = services.pages("s3", "list_objects_v2", "Contents", _what(at), Bucket=at.states)
    return [each["Key"] for each in found]


def is_applied(services: Services) -> bool:
    """Whether the environment has a state. Raises: BucketTaken, AwsRefused."""
    return bucket_exists(services) and services.environment.key in states_in(services)


def remove_state(services: Services) -> bool:
    """Remove this environment's state, and the bucket, if nothing else is in it. Returns whether the bucket went.

    Raises: AwsRefused.
    """
    at = services.environment
    rest = [key for key in states_in(services) if not key.startswith(at.key)]  # a lock of it has more after that
    with_versions = services.of("s3").get_paginator("list_object_versions")
    with worded(_what(at)):
        for page in with_versions.paginate(Bucket=at.states, Prefix=at.key if rest else ""):
            gone = [
                {"Key": each["Key"], "VersionId": each["VersionId"]}
                for each in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ]
            if gone:
                left = services.of("s3").delete_objects(Bucket=at.states, Delete={"Objects": gone, "Quiet": True})
                for error in left.get("Errors", []):
                    raise AwsRefused(
                        f"{error['Key']} in {_what(at)} is not deleted ({error['Code']})", next_step="run it again"
                    )
        if not rest:
            services.of("s3").delete_bucket(Bucket=at.states)
    return not rest


def _what(at: Environment) -> str:
    return f"the bucket {at.states} of the state"


def _taken(at: Environment) -> BucketTaken:
    return BucketTaken(
        f"{_what(at)} belongs to another account, or these credentials may not use it",
        next_step="choose another prefix: coattail aws bootstrap --prefix NAME; or use credentials of its account",
    )
