"""The end of a driver's log, as it is there, becomes a sentence."""

from __future__ import annotations

import pytest

from coattail.jobs.emr_word import came_to, why

SPARK = [
    "25/03/04 12:00:03 INFO ShutdownHookManager: Shutdown hook called",
    "25/03/04 12:00:03 WARN ShutdownHookManager: deleting /tmp/spark-1",
]
DETAILS = "Job failed, please check complete logs in configured logging destination. ExitCode: 1. Last few exceptions: "


def of(*lines: str, details: str = DETAILS) -> str:
    return why(details, [*lines, *SPARK], architecture="arm64")


def test_the_reason_is_the_last_word_of_the_job_itself() -> None:
    said = "2025-03-04T12:00:00Z stream on /tmp/home"
    assert of(said, "the stream trades is not there; create it, or correct stream.url") == (
        "the stream trades is not there; create it, or correct stream.url"
    )
    trace = ("Traceback (most recent call last):", '  File "jobs/stream.py", line 9', "ZeroDivisionError: by nought")
    assert of(said, *trace, "sys:1: ResourceWarning: unclosed") == "ZeroDivisionError: by nought"


def test_without_a_word_of_the_job_the_service_has_it() -> None:
    assert why("  The role may not read s3://b/jobs/stream.py ", [], architecture="arm64") == (
        "The role may not read s3://b/jobs/stream.py"
    )
    assert of("2025-03-04T12:00:00Z stream on /tmp/home") == DETAILS.strip()
    assert why("", SPARK, architecture="arm64") == "the service says no reason, and the driver has left no log"


@pytest.mark.parametrize(
    "line",
    [
        "ModuleNotFoundError: No module named 'msgspec._core'",
        "ModuleNotFoundError: No module named 'pyarrow.lib'",
        "ImportError: cannot import name 'ArgsKwargs' from 'pydantic_core._pydantic_core' (unknown location)",
        "Original error was: No module named 'numpy._core._multiarray_umath'",
        "ImportError: /tmp/deps/polars/polars.abi3.so: cannot open shared object file: No such file or directory",
        "OSError: ./deps/pyarrow/libarrow.so.2600: wrong ELF class: ELFCLASS32",
        "OSError: [Errno 8] Exec format error: './deps/bin/x'",
    ],
)
def test_a_bundle_of_another_architecture_is_called_so(line: str) -> None:
    said = of("Traceback (most recent call last):", line, "and then more")
    assert said.startswith(f"the bundle is for another architecture, or another Python, than the workers ({line})")
    assert "jobs.url says architecture=arm64" in said
    assert said.endswith("coattail aws bundle --upload")


@pytest.mark.parametrize(
    "line",
    [
        "ModuleNotFoundError: No module named 'tqdm'",
        "ImportError: libgomp.so.1: cannot open shared object file: No such file or directory",
        "ModuleNotFoundError: No module named 'coattail.stores'",
    ],
)
def test_what_is_only_missing_is_not_blamed_on_the_architecture(line: str) -> None:
    assert of(line) == line


def test_a_job_without_memory_is_told_what_helps() -> None:
    assert of("java.lang.OutOfMemoryError: Java heap space").startswith("it ran out of memory (java.lang.OutOf")
    killed = of(details="Job failed. ExitCode: 137.")
    assert killed == "it ran out of memory (Job failed. ExitCode: 137.); choose a larger tier, or give it less at once"


def test_the_result_is_its_last_word() -> None:
    said = ["2025-03-04T12:00:00Z stream on /tmp/home", "2025-03-04T12:00:09Z received 5 = landed 5", *SPARK]
    assert came_to(said) == "received 5 = landed 5"
    assert came_to(["2025-03-04T12:00:09Z stopped; received 4 = landed 4"]) == "received 4 = landed 4"
    assert came_to(SPARK) == ""
