"""Variables of infra/ with which everything is there that ever is: for a plan that tests read, and for scanners."""

from __future__ import annotations

from collections.abc import Mapping

ACCOUNT, REGION = "123456789012", "eu-central-1"
GIVEN: Mapping[str, object] = {"environment": "dev", "account_id": ACCOUNT, "region": REGION}
"""Variables without which there is no plan."""
ANALYST = f"arn:aws:iam::{ACCOUNT}:user/ada"
EVERYTHING: Mapping[str, object] = {
    **GIVEN,
    "streaming": True,
    "bundle": "deps-0123456789abcdef-arm64.tar.gz",
    "alarm_email": "you@example.com",
    "govern": True,
    "analyst_principals": [ANALYST],
}
"""Variables with which all is there that ever is."""
