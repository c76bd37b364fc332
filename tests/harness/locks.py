"""The lock files, read."""

from tests.harness.processes import ROOT

LOCKS = ("requirements-core.lock", "requirements-lab.lock", "requirements.lock", "requirements-bench.lock")
"""The smallest first; each contains the one before."""

EMR = "requirements-emr.lock"
"""What jobs on EMR Serverless run from."""


def locked(name: str) -> dict[str, str]:
    """Requirement (name, version and marker) -> its hashes."""
    text = (ROOT / name).read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.split(" --hash")[0].strip(): line.partition(" --hash")[2] for line in lines}


def versions_of(name: str) -> dict[str, str]:
    """Package -> its version."""
    pairs = (package.split(" ; ")[0].split("==") for package in locked(name))
    return {package: version for package, version in pairs}
