"""`coattail aws status`: how an environment is doing."""

from __future__ import annotations

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.aws import aws
from coattail.cli.aws_options import EnvironmentOption, environment_of


@command("status", examples=["coattail aws status", "coattail aws status --environment dev --json"], under=aws)
def status(session: Session, *, environment: EnvironmentOption = None, as_json: JsonOption = False) -> None:
    """Show how an environment is doing, and what it costs now.

    The services themselves are asked, and nothing is changed: what is there, whether it streams, what waits to be
    landed, and what is billed by the hour. It also works where only some of it is there.

    JSON: {"environment", "emulated", "place", "state", "parameters", "streaming", "billed", "hourly",
    "waiting", "last_start", "unknown"}; see docs/CLI.md.
    """
    from coattail.aws.operate.account import refuse_another
    from coattail.aws.operate.standing import standing
    from coattail.cli.output import print_json

    at = environment_of(session, environment)
    refuse_another(at)
    found = standing(session.home(), at)
    print_json(found) if as_json else print(found)
