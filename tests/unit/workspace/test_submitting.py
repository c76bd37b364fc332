"""Jobs from a notebook: names and options, what they come to, and what is left when the kernel is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from coattail import Workspace
from coattail.errors import UsageError
from coattail.home import Home
from coattail.jobs.base import JobCost, JobCount, JobError, JobOrder, JobSeen, JobState, NoSuchJob
from coattail.jobs.emulated import EmulatedEmr
from coattail.jobs.folder import SelfSaid
from coattail.jobs.local import LocalJobs
from coattail.jobs.working import JobStopped
from coattail.workspace import at_work, doing
from coattail.workspace.rehearsal import Rehearsal, program
from coattail.workspace.tasks import TASKS, options_of, struct_of
from tests.harness.alerts import NOW
from tests.harness.commands import until
from tests.harness.processes import environment


@pytest.fixture
def ws(home: Home) -> Workspace:
    return Workspace(home.path)


@pytest.mark.parametrize(
    ("job", "options", "said"),
    [
        ("streem", {}, "no job 'streem'; did you mean stream?"),
        ("zzz", {}, "known: stream, reprocess, maintain, backfill, daily"),
        (7, {}, "no job 7"),
        (["stream"], {}, "no job ['stream']"),
        ("stream", {"drian": True}, "no option 'drian'; did you mean drain?"),
        ("stream", {"drain": "yes"}, "drain = 'yes' does not fit (Expected `bool`, got `str`)"),
        ("stream", {"engine": "sparc"}, "engine = 'sparc' does not fit (Invalid enum value 'sparc')"),
        ("maintain", {"older_than": "old"}, "older_than = 'old' does not fit"),
        ("backfill", {"since": "yesterdayish"}, "since 'yesterdayish' is not a time"),
        ("backfill", {"symbols": [1]}, "symbols = [1] does not fit"),
        ("reprocess", {"changes": "budget=2"}, 'changes: {"volume-anomaly.budget": 2}'),
        ("daily", {"token": "a b"}, "token 'a b' is not one"),
        ("daily", {"token": 3}, "token 3 is not text"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    ws: Workspace, job: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        ws.submit(job, **options)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert not ws.home.jobs.exists()
    assert ws.jobs().said() == ["no job was submitted on this machine yet"]


def test_options_are_of_json_types_and_written_ones_are_read() -> None:
    assert options_of("backfill", {"symbols": "BTC-USD", "since": date(2025, 3, 4), "exchanges": None}) == {
        "symbols": ["BTC-USD"], "since": "2025-03-04", "exchanges": None,
    }  # fmt: skip
    assert options_of("backfill", {"since": timedelta(days=2), "until": "1h"}) == {"since": "2d", "until": "1h"}
    assert options_of("maintain", {"older_than": timedelta(hours=5)}) == {"older_than": "5h"}
    assert options_of("daily", {"out": Path("x.html"), "day": date(2025, 3, 4)}) == {
        "out": "x.html",
        "day": "2025-03-04",
    }
    written = {"symbols": "BTC-USD, ETH-USD", "gaps": "true", "exchanges": "none"}
    assert options_of("backfill", written, written=True) == {
        "symbols": ["BTC-USD", "ETH-USD"], "gaps": True, "exchanges": None,
    }  # fmt: skip
    lookback = options_of("reprocess", {"changes": {"volume-anomaly.lookback": timedelta(hours=2)}})
    assert lookback == {"changes": {"volume-anomaly.lookback": "2h"}}
    changes = options_of("reprocess", {"changes": "{volume-anomaly.budget: 2}", "as_of": "none"}, written=True)
    assert changes == {"changes": {"volume-anomaly.budget": 2}, "as_of": None}
    for name, task in TASKS.items():
        assert all(says for _, _, says in task.takes())
        struct_of(name, {})
    assert [TASKS["stream"].ends(o) for o in ({}, {"drain": False}, {"drain": True})] == [False, False, True]


def test_a_dry_run_shows_the_request_and_starts_nothing(ws: Workspace) -> None:
    request = ws.submit("stream", drain=True, dry_run=True)
    assert request.request["options"] == {"drain": True}
    assert "nothing was sent" in repr(request)
    assert "<script" not in ws.submit("daily", out="<script>", dry_run=True)._repr_html_()
    assert not ws.home.jobs.exists()


def test_an_old_state_of_a_home_gets_no_jobs(day: Home) -> None:
    snapshot = Workspace(day.path).snapshots()["snapshot_id"][0]
    with Workspace(day.path, as_of=snapshot) as then, pytest.raises(UsageError, match="is known of now only"):
        then.submit("maintain")


def test_who_waits_asks_again_what_does_not_answer_and_not_what_refuses(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalJobs, "_start", lambda self, folder, lock: None)
    monkeypatch.setattr(LocalJobs, "look_every", 0.0)
    job = ws.submit("daily")
    silent, refused = JobError("no answer"), JobError("no permission")
    silent.passing = True
    seen, answers = job.jobs.look(job.id), [silent, silent]

    def look(self: LocalJobs, identity: str) -> JobSeen:
        if asked and answers:
            raise answers.pop(0)
        asked.append(identity)
        return seen

    asked: list[str] = []
    monkeypatch.setattr(LocalJobs, "look", look)
    said: list[str] = []
    assert job.wait(said.append).state is JobState.FAILED
    assert said == ["no answer; the job goes on, and is asked for again", job.document.line()]
    asked.clear()
    answers.append(refused)
    with pytest.raises(JobError, match="no permission"):
        job.wait()


@pytest.mark.slow
def test_a_job_outlives_a_killed_kernel_and_gives_the_same_alerts(day: Home, tmp_path: Path) -> None:
    with Workspace(day.path) as here, Rehearsal(here) as there:
        script = (
            "import os, signal, sys\nfrom coattail import Workspace\n"
            "job = Workspace(sys.argv[1]).submit('stream', drain=True)\nprint(job.id, flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        words = [sys.executable, "-c", script, str(there.ws.home.path)]
        killed = subprocess.run(words, capture_output=True, text=True, env=environment(), cwd=tmp_path)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        job = Workspace(there.ws.home.path).job(killed.stdout.strip())
        said: list[str] = []
        assert job.wait(said.append, within=120).state is JobState.SUCCEEDED, job.log()
        assert said[-1] == job.document.line()
        landed, original = there.ws.verify().document, here.verify().document
        assert (landed.landed, landed.trades, landed.alerts) == (original.landed, original.trades, original.alerts)
        assert f"landed {landed.landed:,}" in job.document.result
        assert "MB at most" in repr(job.cost())
        assert "of" in repr(job.progress())
        assert "succeeded" in repr(job.log(3))
        assert job.document.result in repr(there.ws.jobs())
        assert "<td" in job._repr_html_()
        with pytest.raises(NoSuchJob):
            there.ws.job("0123456789ab")


@pytest.mark.slow
def test_a_job_that_follows_the_stream_counts_trades_and_stops_in_order(home: Home, ws: Workspace) -> None:
    job = ws.submit("stream")
    until(lambda: job.document.progress is not None)
    assert repr(job.progress()) == "landed since the home began: 0 trades"
    with EmulatedEmr(program(home)) as emr:
        second = ws.submit("stream", drain=True, on=emr.url).wait(within=60)
        assert second.state is JobState.FAILED
        assert "already runs on" in second.document.reason
        assert "local emulation" in repr(second)
        assert "dollars" in repr(second.cost())
        assert [one.id for one in ws.jobs(on=emr.url).jobs] == [second.id]
    for wrong, said in ((-1, "below zero"), ("soon", "is not a number")):
        with pytest.raises(UsageError, match=said):
            job.cancel(grace=wrong)  # type: ignore[arg-type]
    done = job.cancel(grace=30).wait(within=60)
    assert done.state is JobState.CANCELLED
    assert "received 0 = landed 0" in done.document.result
    assert ws.home.running_engine() is None


@pytest.mark.parametrize(
    ("interruptible", "raises", "code"),
    [
        (False, None, 0),
        (False, JobStopped("so far"), 143),
        (True, None, 143),
        (False, UsageError("no", next_step="go"), 1),
    ],
)
def test_a_job_that_a_service_runs_says_by_its_exit_code_how_it_ended(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], interruptible: bool,
    raises: Exception | None, code: int,
) -> None:  # fmt: skip
    seen: list[tuple[str, dict[str, object]]] = []

    def do(home: Home, at: at_work.Here) -> str:
        seen.append((at.order.job, at.order.options))
        at.interruptible = interruptible
        signal.raise_signal(signal.SIGTERM)
        assert at.stop.is_set()
        if raises is not None:
            raise raises
        return "done"

    monkeypatch.setattr(doing, "do", do)
    monkeypatch.setattr(at_work, "log_to_stderr", lambda: None)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert at_work.main([str(home.path), "run", "daily", '{"options": {"light": true}, "settings": {}}']) == code
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [("daily", {"light": True})]
    assert ("no; go" in capsys.readouterr().err) == (code == 1)


def test_nothing_that_a_job_says_is_live_in_a_notebook(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = "<img src=x onerror=alert(1)>\x1b[2J"
    said = SelfSaid(
        pid=1, state=JobState.FAILED, started_at=NOW, ended_at=NOW, reason=bad, result=bad,
        progress=JobCount(doing=bad, done=1, unit=bad), cost=JobCost(seconds=1, dollars=0, priced=bad),
    )  # fmt: skip
    monkeypatch.setattr(LocalJobs, "_start", lambda self, folder, lock: folder.say(said))
    job = ws.submit("daily", out=bad)
    (ws.home.jobs / job.id / "log").write_text(bad)
    for shown in (job, job.progress(), job.log(), job.cost(), ws.jobs(), ws.submit("daily", out=bad, dry_run=True)):
        html, text = shown._repr_html_(), repr(shown)
        assert "&lt;img" in html
        assert "<img" not in html
        assert "\x1b" not in html + text


def test_the_words_of_an_order_reach_the_process_as_they_were(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[JobOrder] = []

    def submit(self: LocalJobs, order: JobOrder) -> str:
        orders.append(order)
        return "0" * 12

    monkeypatch.setattr(LocalJobs, "submit", submit)
    Workspace(home.path, preset="classic", settings={"engine.trigger": "5s"}).submit("stream", token="t")
    assert orders == [
        JobOrder(
            job="stream", token="t", ends=False, settings={"preset": "classic", "overrides": {"engine.trigger": "5s"}}
        )
    ]
    assert os.listdir(home.path / "logs") == []
