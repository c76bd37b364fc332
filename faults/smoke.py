"""R33: the thirteen checks of `coattail aws smoke`, on an emulation that begins and ends with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from pyiceberg.catalog.glue import GlueCatalog

from coattail.aws.operate.account import Services
from coattail.aws.operate.environment import Environment
from coattail.aws.operate.smoke import race
from coattail.aws.operate.smoke.run import CheckFailed, Smoke
from coattail.aws.operate.smoke.thirteen import smoke_emulated
from coattail.errors import CoattailError
from faults.aws import service
from faults.experiment import Control, Experiment, LeftOut, Outcome, Task
from tests.harness.aws_place import REGION, lake_there
from tests.harness.emulation import INSTALLED
from tests.harness.running import new_home, settings_of


def run(task: Task) -> Outcome:
    """Make the checks; then one of them of a catalog that does not compare, which it must find out.

    Raises: LeftOut: If the emulation is not installed.
    """
    if not INSTALLED:
        raise LeftOut("the emulate extra is not installed")
    done = smoke_emulated(said=lambda result: task.say(str(result)))
    said, found = _of_a_catalog_that_does_not_compare(task)
    return Outcome(
        f"{len(done.results)} checks",
        {"passed": done.passed, "skipped": done.skipped, "failed": done.failed},
        [str(each) for each in done.results if each.outcome == "FAIL"],
        [Control("a catalog that takes every commit", said, found)],
    )


def _of_a_catalog_that_does_not_compare(task: Task) -> tuple[str, bool]:
    """What the check of racing writers says of one, and whether it fails."""
    with service() as address, _takes_all():
        at = Environment(environment="dev", account_id="000000000000", region=REGION, endpoint=address)
        settings = settings_of({"lake": lake_there("raced", address, account=0)})
        with Services(at) as services:
            services.of("glue").create_database(DatabaseInput={"Name": "coattail"})
            smoke = Smoke(new_home(task.folder / "home"), at, services, task.folder)
            smoke.__dict__["settings"] = settings
            try:
                return race.raced(smoke), False
            except CheckFailed as error:
                return error.message, True
            except CoattailError as error:
                return str(error), False


@contextmanager
def _takes_all() -> Iterator[None]:
    """Glue without a condition: whoever comes last has it."""

    def update(self: GlueCatalog, database_name: str, table_name: str, table_input: Any, version_id: str) -> None:
        self.glue.update_table(DatabaseName=database_name, TableInput=table_input, SkipArchive=True)

    with mock.patch.object(GlueCatalog, "_update_glue_table", update):
        yield


R33 = Experiment(
    id="R33",
    does="the thirteen checks of an environment are made on an emulation of AWS",
    run=run,
    engines=("aws",),
    seed=16,
    long={},
    short=None,
    shortly="tests/unit/aws/test_smoke_in_an_account.py",
)
