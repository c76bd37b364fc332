"""Commands of the AWS command line and of Terraform, held against what AWS and infra/ say of themselves."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import Any

import botocore.session
import jmespath
from botocore import xform_name

from tests.harness.processes import ROOT

OF_THE_CLI = {"s3": {"ls", "cp", "sync", "rm", "mb", "rb"}, "logs": {"tail"}, "sso": {"login"}, "configure": {"sso"}}
"""Service -> commands that the command line has beside the service's own."""
EVERYWHERE = {"region", "query", "output", "profile", "endpoint-url", "cli-input-json", "max-items", "no-cli-pager"}


@cache
def _parameters(service: str, command: str) -> frozenset[str]:
    """Options of a command, in the words of the command line. Raises: LookupError: If there is none."""
    session = botocore.session.get_session()
    name = {"s3api": "s3"}.get(service, service)
    if name not in session.get_available_services():
        raise LookupError(f"AWS has no {service}")
    model: Any = session.get_service_model(name)
    found = next((each for each in model.operation_names if xform_name(each, "-") == command), None)
    if found is None:
        raise LookupError(f"{service} has no {command}")
    shape = model.operation_model(found).input_shape
    return frozenset(xform_name(each, "-") for each in (shape.members if shape else ()))


def wrong_of_aws(words: list[str]) -> list[str]:
    """What AWS does not know of `aws SERVICE COMMAND --option …`."""
    service, command, *rest = words[1:]
    if command in OF_THE_CLI.get(service, ()):
        return []
    try:
        known = _parameters(service, command) | EVERYWHERE
    except LookupError as error:
        return [str(error)]
    wrong = [word for word in rest if word.startswith("--") and word.removeprefix("--") not in known]
    try:
        if "--query" in rest:
            jmespath.compile(rest[rest.index("--query") + 1])
    except jmespath.exceptions.JMESPathError as error:
        wrong.append(f"--query: {error}")
    return wrong


def wrong_of_terraform(words: list[str]) -> list[str]:
    """Outputs and variables that infra/ does not have, of `terraform output …` and `terraform plan -var …`."""
    rest = [word for word in words[1:] if not word.startswith("-chdir=")]
    given = [word.removeprefix("-var=") for word in rest if word.startswith("-var=")]
    given += [after for word, after in pairwise(rest) if word == "-var"]
    wrong = [name for each in given if (name := each.partition("=")[0]) not in _declared("variable")]
    if rest[:1] == ["output"]:
        wrong += [word for word in rest[1:] if not word.startswith("-") and word not in _declared("output")]
    files = [word.partition("=")[2] for word in rest if word.startswith("-var-file=")]
    return wrong + [file for file in files if not (ROOT / "infra" / file).is_file()]


@cache
def _declared(what: str) -> frozenset[str]:
    texts = [(ROOT / "infra" / file).read_text() for file in ("variables.tf", "outputs.tf")]
    return frozenset(re.findall(rf'^{what} "(\w+)"', "\n".join(texts), re.MULTILINE))
