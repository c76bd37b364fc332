"""`coattail aws emulate` as a process of its own, with its place, and this process signing as its screens say."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.harness.emulator import CREDENTIALS
from tests.harness.processes import environment

INSTALLED = all(find_spec(name) is not None for name in ("ministack", "hypercorn", "boto3", "pyathena"))


@dataclass
class Emulation:
    """One that runs."""

    endpoint: str
    home: Path
    said: list[str]
    """Its first lines."""

    def client(self, service: str, **options: Any) -> Any:
        import boto3

        return boto3.session.Session().client(service, region_name="us-east-1", endpoint_url=self.endpoint, **options)


@contextlib.contextmanager
def emulation(home: Path, *options: str) -> Iterator[Emulation]:
    """It ends with the block, in order."""
    command = [sys.executable, "-m", "coattail", "--home", str(home), "aws", "emulate", "--port", "0", *options]
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        said: list[str] = []
        try:
            for line in process.stdout:
                said.append(line.rstrip("\n"))
                if "Ctrl-C" in line:
                    break
            found = re.search(r"at (http://127\.0\.0\.1:\d+)", "\n".join(said))
            assert found is not None, said
            exports = dict(re.findall(r"export (\w+)=(\S+)", "\n".join(said)))
            for name, value in {**CREDENTIALS, **exports}.items():
                patch.setenv(name, value)
            yield Emulation(found[1], home, said)
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            code = process.wait(timeout=20)
        assert (code, rest) == (0, ""), rest
