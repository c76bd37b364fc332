"""The log goes to a file; whoever waits for another engine is told on the console, too."""

import logging
from pathlib import Path

import pytest

from coattail.cli.logs import log_to


def test_only_who_waits_is_told_on_the_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "coattail.log"
    with log_to(file):
        logging.getLogger("coattail.stores.lease_dynamo").warning("waiting 15 s to see whether it still lives")
        logging.getLogger("coattail.engines.engine").warning("the stream was recreated")
    logging.getLogger("coattail.stores.lease_dynamo").warning("after the command")
    assert capsys.readouterr() == ("", "waiting 15 s to see whether it still lives\n")
    assert [line.split(": ", 1)[1] for line in file.read_text().splitlines()] == [
        "waiting 15 s to see whether it still lives", "the stream was recreated",
    ]  # fmt: skip
