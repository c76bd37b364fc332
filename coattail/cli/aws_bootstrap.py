"""`coattail aws bootstrap` and `coattail aws plan`: an environment made known, and what a start would make of it."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.aws import aws
from coattail.cli.aws_options import EnvironmentOption, environment_of, label
from coattail.errors import UsageError

NameOption = Annotated[
    str, typer.Option("--environment", metavar="NAME", help="Name it: the second part of all names in it.")
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="NAME",
        help="Make everything there. [default: as written, else us-west-2, emulated us-east-1]",
    ),
]
AccountOption = Annotated[
    str | None,
    typer.Option("--account", metavar="ID", help="Insist on this account. [default: that of the credentials]"),
]
PrefixOption = Annotated[
    str | None, typer.Option("--prefix", metavar="NAME", help="Begin all names with it. [default: coattail]")
]
ArchitectureOption = Annotated[
    str | None,
    typer.Option(
        "--architecture",
        metavar="NAME",
        help="Run on arm64 or x86_64. [default: arm64; emulated: as here]",
    ),
]
EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="Use an emulation on this machine. [default: AWS_ENDPOINT_URL]"),
]
VariableOption = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="Set a variable of infra/, its value as YAML; may be repeated."),
]
_ASKED_LATER = "0" * 12
"""In place of an account, until all else that was given makes sense; it is also that of an emulation."""


@command(
    "bootstrap",
    examples=[
        "coattail aws bootstrap",
        "coattail aws bootstrap --environment dev --region us-west-2 --var alarm_email=you@example.com",
        "coattail aws bootstrap --environment try --endpoint http://127.0.0.1:4566",
    ],
    under=aws,
)
def bootstrap(
    session: Session, *, environment: NameOption = "dev", region: RegionOption = None, account: AccountOption = None,
    prefix: PrefixOption = None, architecture: ArchitectureOption = None, endpoint: EndpointOption = None,
    var: VariableOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make an environment known: the first step, once.

    It makes the bucket of Terraform's state (cents a month), and writes aws/NAME/environment.yaml into the home:
    account, region, tier (--tier), and variables of infra/. No secrets. Run again, it changes what is given, and keeps
    the rest. Then: coattail aws plan.

    JSON: {"environment", "emulated", "bucket", "made", "file", "place"}.
    """
    import msgspec

    from coattail.aws.operate import planning
    from coattail.aws.operate.account import account_of
    from coattail.aws.operate.environment import Environment, environments, read_environment
    from coattail.aws.zips import own_architecture
    from coattail.cli.output import print_json

    home = session.home(create=True, write=True)
    known = read_environment(home.path, environment) if environment in environments(home.path) else None
    endpoint = endpoint or (known.endpoint if known else None) or os.environ.get("AWS_ENDPOINT_URL") or None
    before = {} if known is None else {name: getattr(known, name) for name in Environment.__struct_fields__}
    region = region or before.get("region") or ("us-east-1" if endpoint else "us-west-2")
    variables = dict(_variable(text) for text in var or ())
    said = {
        "environment": environment, "region": region, "prefix": prefix, "tier": session.tier,
        "architecture": architecture or before.get("architecture") or (own_architecture() if endpoint else None),
        "endpoint": endpoint,
        "account_id": account or before.get("account_id") or _ASKED_LATER,
        "variables": {**before.get("variables", {}), **variables},
    }  # fmt: skip
    wanted = msgspec.convert({**before, **{k: v for k, v in said.items() if v is not None}}, Environment)
    label(wanted.emulated)
    if wanted.account_id == _ASKED_LATER:
        wanted = msgspec.structs.replace(wanted, account_id=account_of(region=region, endpoint=endpoint))
    made = planning.bootstrap(home.path, wanted)
    if as_json:
        print_json(made)
    else:
        print(f"{made}\nnext: coattail aws plan --environment {environment}")


def _variable(text: str) -> tuple[str, object]:
    """Name and value of a variable of infra/. Raises: UsageError: If it is not NAME=VALUE, or the value is not YAML."""
    import yaml

    from coattail.cli.options import pair

    name, value = pair(text, "--var", "alarm_email=you@example.com")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        said = getattr(error, "problem", None) or error
        raise UsageError(f"--var {text!r} is not YAML ({said})", next_step="write lists like 'zones=[a, b]'") from error


@command("plan", examples=["coattail aws plan", "coattail aws plan --environment dev --json"], under=aws)
def plan(session: Session, *, environment: EnvironmentOption = None, as_json: JsonOption = False) -> None:
    """Show what a start would make and cost; nothing is made.

    Terraform looks at what is there, and says what it would change. What somebody else has changed or deleted is
    named, and a start makes it again.

    JSON: {"environment", "emulated", "streaming", "changes": [{"address", "action"}], "drift", "cost", "log"}.
    """
    from coattail.aws.operate import planning
    from coattail.aws.operate.account import refuse_another
    from coattail.aws.operate.standing import bundle_there
    from coattail.aws.operate.starting import prepared
    from coattail.cli.output import print_json, progress

    at = environment_of(session, environment)
    refuse_another(at)
    with progress(silent=as_json) as heard:
        infra = prepared(session.home(), at, heard)
        bundle = bundle_there(session.home(), at)
        found = planning.plan(infra, streaming=True, on_progress=heard, bundle=bundle)
    if as_json:
        print_json(found)
    else:
        print(f"{found}\nnothing was made; next: coattail aws start --environment {at.environment}")
