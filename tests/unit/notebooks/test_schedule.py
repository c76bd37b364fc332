"""What a scheduler takes: each form is read back by what it is for, as far as that is here."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.notebooks.schedule import RunsAt, scheduled
from coattail.notebooks.shelf import find

GIVEN = {"date": "", "symbols": "BTC-USD,ETH-USD", "out": "50% $HOME \"q\" 'x'.html"}


def text(form: str, at: str = "02:15", given: dict[str, object] | None = None) -> str:
    return scheduled(
        find("10"), GIVEN if given is None else given, RunsAt.read(at), form=form, program=["/opt/my env/bin/coattail"],
        folder="/srv/my reports", home="/srv/home",
    )  # fmt: skip


def test_cron_runs_the_command_that_is_meant(tmp_path: Path) -> None:
    line = text("cron").splitlines()[-1]
    minute, hour, *days = line.split(" ", 5)[:5]
    assert (minute, hour, days) == ("15", "2", ["*"] * 3)
    command = line.split(" ", 5)[5]
    assert re.search(r"(?<!\\)%", command) is None  # cron would end the command there
    said = command.replace(r"\%", "%").partition(" && ")
    assert shlex.split(said[0]) == ["cd", "/srv/my reports"]
    words = shlex.split(said[2])
    assert words[0] == "/opt/my env/bin/coattail"
    assert f"out={GIVEN['out']}" in words
    assert words[-3:] == ["--out", "reports/10_daily_report-{date}.ipynb", "--html"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_understands_its_files(tmp_path: Path) -> None:
    service, timer = text("systemd").split("\n\n")
    (tmp_path / "coattail-10-daily-report.service").write_text(service.replace("/opt/my env/bin/coattail", "/bin/true"))
    (tmp_path / "coattail-10-daily-report.timer").write_text(timer)
    units = [str(path) for path in tmp_path.iterdir()]
    runtime = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(["systemd-analyze", "--user", "verify", *units], capture_output=True, text=True, env=runtime)
    if "Failed to initialize manager" in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


def test_nothing_is_left_for_systemd_to_expand() -> None:
    line = next(line for line in text("systemd").splitlines() if line.startswith("ExecStart="))
    assert line.startswith('ExecStart="/opt/my env/bin/coattail" --home /srv/home notebook run 10_daily_report')
    assert '"out=50%% $$HOME \\"q\\" \'x\'.html"' in line
    assert "OnCalendar=*-*-* 02:15:00 UTC" in text("systemd")
    assert "OnCalendar=*-*-* *:30:00 UTC" in text("systemd", ":30")


def test_eventbridge_gets_values_of_the_parameters_types() -> None:
    said = json.loads(text("eventbridge", ":05"))
    assert said["ScheduleExpression"] == "cron(5 * * * ? *)"
    assert said["Input"] == {
        "notebook": "10_daily_report", "parameters": {**GIVEN, "symbols": ["BTC-USD", "ETH-USD"]}
    }  # fmt: skip


def test_what_cannot_be_is_refused_now() -> None:
    for wrong, said in (("25:00", "--at '25:00'"), ("2:5", "--at '2:5'"), ("daily", "--at 'daily'")):
        with pytest.raises(UsageError, match=re.escape(said)):
            RunsAt.read(wrong)
    with pytest.raises(UsageError, match="no parameter 'dat'"):
        text("cron", given={"dat": "x"})
    with pytest.raises(UsageError, match="there is no form 'at'"):
        text("at")
