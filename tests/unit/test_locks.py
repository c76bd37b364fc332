"""Promises about what is installed: extras hold what they need, locks hold the extras, and each lock the one before."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.harness.locks import EMR, LOCKS, locked, versions_of
from tests.harness.processes import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
LOCK_OF = {
    "": LOCKS[0],
    **dict.fromkeys(("report", "lab"), LOCKS[1]),
    **dict.fromkeys(("docs", "aws", "spark", "emulate", "dev"), LOCKS[2]),
    "bench": LOCKS[3],
}
"""Extra, or "" for none -> the smallest lock that holds it."""


@pytest.mark.parametrize("name", [*LOCKS, EMR, "requirements-scan.lock"])
def test_every_locked_package_has_a_hash_and_no_lock_names_a_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=sha256:", ""), re.MULTILINE), "an option of pip"
    packages = locked(name)
    assert packages
    for package, hashes in packages.items():
        assert re.fullmatch(r"[a-zA-Z0-9._-]+==[^ ]+( ; .+)?", package)
        assert "sha256:" in hashes


def test_each_lock_contains_the_one_before_with_the_same_versions() -> None:
    each = [{package.partition(" ; ")[0]: hashes for package, hashes in locked(name).items()} for name in LOCKS]
    # Without markers: what one package needs on PyPy too, another does not.
    assert all(smaller.items() <= larger.items() for smaller, larger in pairwise(each))


def declared(extra: str) -> Iterator[Requirement]:
    """What `pip install coattail[extra]` asks for; `coattail[other]` among it stands for what that asks for."""
    for line in [*PROJECT["dependencies"], *(EXTRAS[extra] if extra else [])]:
        asked = Requirement(line)
        if asked.name != "coattail":
            yield asked
        for other in asked.extras if asked.name == "coattail" else ():
            yield from declared(other)


def solved(asked: Iterable[Requirement], versions: dict[str, str]) -> dict[str, str]:
    """Package -> what is wrong with its locked version; empty where the lock answers all that is asked, to the end.

    What a package needs in turn is read from its installed metadata; one that is not installed here is not followed.
    """
    wrong: dict[str, str] = {}
    waiting = [(one, "coattail") for one in asked if one.marker is None or one.marker.evaluate()]
    seen = set()
    while waiting:
        one, by = waiting.pop()
        name, extras = canonicalize_name(one.name), frozenset(one.extras)
        if name not in versions:
            wrong[name] = f"{by} needs it, and it is not locked"
        elif not one.specifier.contains(versions[name], prereleases=True):
            wrong[name] = f"{by} needs {one.specifier}, locked is {versions[name]}"
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            needs = [Requirement(line) for line in distribution(name).requires or []]
        except PackageNotFoundError:
            continue
        waiting += [
            (need, name)
            for need in needs
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))
        ]
    return wrong


def test_every_extra_is_in_some_lock() -> None:
    assert set(LOCK_OF) == {"", *EXTRAS}


@pytest.mark.parametrize("extra", LOCK_OF)
def test_the_locks_answer_all_that_an_extra_asks_for_and_all_that_follows(extra: str) -> None:
    versions = versions_of(LOCK_OF[extra])
    assert {canonicalize_name(one.name) for one in declared(extra)} <= versions.keys()
    assert solved(declared(extra), versions) == {}


def test_a_lock_that_lacks_what_follows_is_noticed() -> None:
    versions = versions_of(LOCKS[0]) | {"httpx": "0.1"}
    del versions["h11"]
    assert solved([Requirement("httpx>=0.28")], versions) == {
        "httpx": "coattail needs >=0.28, locked is 0.1",
        "h11": "httpcore needs it, and it is not locked",
    }


def test_the_workflow_tests_every_python_that_the_project_says_it_runs_on() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    quick = jobs["quick"]
    assert quick["steps"][-1]["run"] == "make check"
    whole = next(
        step["with"]["python-version"] for step in jobs["test"]["steps"] if "setup-python" in step.get("uses", "")
    )
    said = {text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", text)}
    tested = {whole, *quick["strategy"]["matrix"]["python"]}
    assert tested == said
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(version) for version in tested)


def test_the_conda_environment_is_a_python_that_the_lock_is_for_and_that_lock_whole() -> None:
    """Only that conda-forge has what is left, Java, make and pip, is shown by the workflow's job `conda` alone."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = (one["pip"] for one in listed if isinstance(one, dict))
    conda = dict(one.partition("=")[::2] for one in listed if isinstance(one, str))
    assert (pip, sorted(conda)) == ([f"-r {LOCKS[2]}"], ["make", "openjdk", "pip", "python"])
    assert SpecifierSet(PROJECT["requires-python"]).contains(conda["python"])
    lock = [Requirement(package) for package in locked(LOCKS[2])]
    here = {"python_version": conda["python"], "python_full_version": f"{conda['python']}.0"}
    taken = {one.name: one for one in lock if one.marker is None or one.marker.evaluate(here)}
    assert {
        canonicalize_name(one.name) for extra in LOCK_OF if extra != "bench" for one in declared(extra)
    } <= taken.keys()


def test_jobs_on_aws_run_from_packages_of_the_whole_lock_in_its_versions() -> None:
    """Of PyIceberg's needs those are left out that only its command line and its REST catalog have."""
    whole, jobs = (dict(locked(name)) for name in (LOCKS[2], EMR))
    assert jobs.items() <= whole.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [Requirement(line) for line in project["dependency-groups"]["emr"]]
    here = [Requirement(line) for line in [*PROJECT["dependencies"], *EXTRAS["aws"], *EXTRAS["spark"]]]
    assert {(a.name, str(a.specifier)) for a in asked} <= {(h.name, str(h.specifier)) for h in here}
    wrong = solved(asked, versions_of(EMR))
    left_out = {"click", "rich", "markdown-it-py", "mdurl", "pygments", "requests", "charset-normalizer"}
    assert wrong.keys() <= left_out
    assert {name for name, said in wrong.items() if "it is not locked" not in said} == set()
    assert versions_of(EMR).keys() & left_out == set()


def test_functions_on_aws_run_from_packages_of_the_whole_lock_in_its_versions() -> None:
    whole, functions = (dict(locked(name)) for name in (LOCKS[2], "requirements-lambda.lock"))
    assert {name: whole.get(name) for name in functions} == functions
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [Requirement(line) for line in project["dependency-groups"]["lambda"]]
    here = [Requirement(line) for line in [*PROJECT["dependencies"], *EXTRAS["aws"]]]
    assert {(a.name, str(a.specifier)) for a in asked} <= {(h.name, str(h.specifier)) for h in here}
    assert solved(asked, versions_of("requirements-lambda.lock")) == {}


def test_what_only_an_extra_brings_is_in_no_smaller_lock() -> None:
    core, lab = versions_of(LOCKS[0]), versions_of(LOCKS[1])
    assert core.keys() & {"pyspark", "py4j", "pandas", "boto3", "pillow", "jupyterlab", "plotly", "nh3"} == set()
    assert lab.keys() & {"pyspark", "py4j", "boto3"} == set()
