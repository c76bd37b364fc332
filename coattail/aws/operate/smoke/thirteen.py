"""The checks in their order, and an emulation that begins and ends with them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from coattail.aws.operate.account import Services
from coattail.aws.operate.environment import Environment
from coattail.aws.operate.smoke import account, closing, jobs, market, questions, race
from coattail.aws.operate.smoke.run import CheckFailed, Smoke, SmokeCheck, SmokeDocument, SmokeResult, run
from coattail.aws.zips import own_architecture
from coattail.home import Home
from coattail.workspace.progress import OnProgress, unheard

CHECKS: tuple[SmokeCheck, ...] = (
    ("account and quota", account.credentials),
    ("apply, and again", account.applied),
    ("what a job finds", jobs.probed),
    ("four racing writers", race.raced),
    ("market through the stream", market.streamed),
    ("API", questions.api),
    ("Athena", questions.athena),
    ("what an analyst sees", questions.analyst),
    ("cancel and go on", market.restarted),
    ("workflow", closing.workflow),
    ("metrics and alarms", closing.metrics),
    ("stop", closing.stopped),
    ("receipt", closing.receipt),
)
_METRICS = "coattail-emulated"


def smoke(
    home: Home, at: Environment, *, analyst_profile: str | None = None, on_progress: OnProgress = unheard,
    said: Callable[[SmokeResult], object] = lambda _: None,
) -> SmokeDocument:  # fmt: skip
    """Make the checks of an environment; those that begin and end it are among them.

    analyst_profile: See `Smoke`. said: Called with each result.
    """
    with tempfile.TemporaryDirectory(prefix="coattail-smoke-") as scratch, Services(at) as services:
        shared = Smoke(home, at, services, Path(scratch), analyst_profile=analyst_profile, on_progress=on_progress)
        return run(shared, CHECKS, said)


def smoke_emulated(
    *, on_progress: OnProgress = unheard, said: Callable[[SmokeResult], object] = lambda _: None
) -> SmokeDocument:
    """Make the checks of an emulation of AWS on a port of its own, which begins and ends with them.

    Raises: CheckFailed: If the emulation does not begin.
    """
    with tempfile.TemporaryDirectory(prefix="coattail-smoke-") as folder, _emulation(Path(folder)) as endpoint:
        at = Environment(
            environment="emulated", account_id="000000000000", region="us-east-1", endpoint=endpoint,
            architecture=own_architecture(),
        )  # fmt: skip
        home = Home.open(Path(folder) / "home", create=True)
        with Services(at) as services:
            url = f"cloudwatch://{_METRICS}?region={at.region}&endpoint={quote(endpoint, safe='')}"
            services.ask(
                "ssm", "put_parameter", "a parameter", Name="/coattail/emulated/metrics.url", Value=url, Type="String"
            )
        return smoke(home, at, on_progress=on_progress, said=said)


@contextmanager
def _emulation(folder: Path) -> Iterator[str]:
    """The address of an emulation that ends with the block; this process signs as it says."""
    words = [sys.executable, "-m", "coattail", "--home", str(folder / "emulation"), "aws", "emulate", "--port", "0"]
    before = dict(os.environ)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        try:
            for line in process.stdout:
                lines.append(line)
                if "Ctrl-C ends it" in line:
                    break
            found = re.search(r"at (http://127\.0\.0\.1:\d+)", "".join(lines))
            if found is None:
                said = " ".join(lines)[-300:]
                raise CheckFailed(f"the emulation does not begin: {said}", next_step="coattail aws emulate")
            exports = dict(re.findall(r"export (AWS_\w+)=(\S+)", "".join(lines)))
            os.environ.pop("AWS_PROFILE", None)
            os.environ.update(exports, AWS_EC2_METADATA_DISABLED="true")
            yield found[1]
        finally:
            os.environ.clear()
            os.environ.update(before)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
