"""An environment made ready to be shown: a market has just come through it, and a sheet says what to show."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import msgspec

from coattail.alerts import DISCLAIMER, Alert
from coattail.aws.operate.environment import Environment, folder_of
from coattail.aws.operate.refusals import OperationFailed
from coattail.aws.operate.standing import settings_there
from coattail.aws.operate.starting import StartDocument
from coattail.aws.operate.steps import CameTo, StepDone, walk
from coattail.aws.operate.waiting import waited
from coattail.config import Settings
from coattail.home import Home
from coattail.stores.opening import open_hot
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.text import clock, quoted

HOURS, RATE = 2.0, 0.2
"""Of the market that is shown; its first hour teaches the detectors what is usual."""
_LAND_SECONDS, _LOOK_SECONDS = 300.0, 1.0
_SHOWN = 5
_LOG = "see the log of its function"


class DemoReadyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that can be shown."""

    environment: str
    emulated: bool
    trades: int
    """That were sent."""
    alerts: int
    """That are in the hot store, and not retracted."""
    sheet: Path
    started: StartDocument
    steps: list[StepDone]


def prepare_demo(
    home: Home, at: Environment, started: StartDocument, *, minutes: float, seed: int,
    on_progress: OnProgress = unheard, said: Callable[[StepDone], object] = lambda _: None,
) -> DemoReadyDocument:  # fmt: skip
    """Send a simulated market through an environment that was started, look whether all of it came, write the sheet.

    minutes: In which two hours of the market are sent. seed: Of the market; with one of before, nothing new lands.
    Raises: CoattailError: With the step that failed.
    """
    settings = settings_there(home, at)
    sheet = folder_of(home.path, at.environment) / "demo.md"
    trades: list[int] = []
    alerts: list[Alert] = []

    def market() -> CameTo:
        trades.append(_send(home, settings, minutes, seed, on_progress))
        return CameTo(f"{trades[0]:,} trades sent")

    def landed() -> CameTo:
        return CameTo(f"{_until_landed(home, settings, on_progress):.0f} s after the last was sent, nothing waits")

    def alarmed() -> CameTo:
        alerts.extend(_alerts(home, settings))
        if not alerts:
            raise OperationFailed("no alert has been raised", next_step="see coattail aws jobs, and the job's log")
        return CameTo(f"{len(alerts)} alerts, the newest: {_line(alerts[0])}")

    def served() -> CameTo:
        if started.api_url is None:
            raise OperationFailed("the environment names no API", next_step="coattail aws start makes it")
        return CameTo(f"{_served(api_address(at, started.api_url))} alerts of the first {_SHOWN} asked for")

    def written() -> CameTo:
        text = sheet_of(at, started, trades[0], alerts)
        sheet.write_text(text, encoding="utf-8")
        return CameTo(str(sheet))

    steps = [("market", market), ("landing", landed), ("alerts", alarmed), ("API", served), ("sheet", written)]
    done = walk(steps, said)
    return DemoReadyDocument(
        environment=at.environment, emulated=at.emulated, trades=trades[0], alerts=len(alerts), sheet=sheet,
        started=started, steps=done,
    )  # fmt: skip


def _send(home: Home, settings: Settings, minutes: float, seed: int, on_progress: OnProgress) -> int:
    from coattail.recordings.chosen import choose
    from coattail.workspace import landing
    from coattail.workspace.simulated import simulate

    with TemporaryDirectory(prefix="coattail-demo-") as folder:
        simulate(Path(folder), hours=HOURS, rate=RATE, seed=seed, on_progress=on_progress)
        on_progress(Step(f"sending two hours of the market in {minutes:g} minutes"))
        pace = HOURS * 60 / minutes
        return landing.replay(home, settings, choose([Path(folder)]), speed=pace, land=False).document.trades


def _until_landed(home: Home, settings: Settings, on_progress: OnProgress) -> float:
    found, seconds = waited(home, settings, within=_LAND_SECONDS, every=_LOOK_SECONDS, on_progress=on_progress)
    if found.records:
        raise OperationFailed(f"{found}, and no job lands it", next_step="see coattail aws jobs")
    return seconds


def _alerts(home: Home, settings: Settings) -> list[Alert]:
    """The alerts in the hot store, newest first."""
    with closing(open_hot(home, settings)) as hot:
        found = hot.alerts(now=datetime.now(UTC))
    return [each.alert for each in found if each.alert.status != "retracted"]


def _line(alert: Alert) -> str:
    return f"{clock(alert.detected_at)} {alert.severity}: {alert.message} ({alert.alert_id[:12]})"


def _served(address: str) -> int:
    """How many alerts the API gives. Raises: OperationFailed: If it gives none, or does not answer."""
    import httpx

    asked = f"{address.rstrip('/')}/alerts"
    try:
        answer = httpx.get(asked, params={"limit": _SHOWN}, timeout=30).raise_for_status()
        found = len(msgspec.json.decode(answer.content)["alerts"])
    except (httpx.HTTPError, msgspec.DecodeError, KeyError) as error:
        raise OperationFailed(f"{asked} does not give alerts ({error})", next_step=_LOG) from error
    if not found:
        raise OperationFailed(f"{asked} gives no alert", next_step=_LOG)
    return found


def api_address(at: Environment, url: str) -> str:
    """Where the API answers: at its address, or, on an emulation, where that has its gateway."""
    if at.endpoint is None:
        return url
    host = urlsplit(url).hostname or ""
    return f"{at.endpoint}/_aws/execute-api/{host.partition('.')[0]}/$default/"


def sheet_of(at: Environment, started: StartDocument, trades: int, alerts: list[Alert]) -> str:
    """What somebody who presents it needs on one page, as Markdown."""
    there = f"coattail --place {quoted(at.place)}"
    cost = "nothing: a local emulation" if at.emulated else f"about ${started.hourly:.2f} an hour until it is stopped"
    links = [f"- alerts: {api_address(at, started.api_url).rstrip('/')}/alerts?limit=5"] if started.api_url else []
    if not at.emulated:
        console = f"https://{at.region}.console.aws.amazon.com"
        links += [
            f"- dashboard: {console}/cloudwatch/home?region={at.region}#dashboards",
            f"- jobs: {console}/emr/home?region={at.region}#/serverless",
        ]
    lines = [
        f"# {at.environment}, made ready {clock(datetime.now(UTC))}", "",
        f"{at.words()}. It costs {cost}.",
        f"{trades:,} trades of a simulated market came through it, and {len(alerts)} alerts were raised. {DISCLAIMER}",
        "",
        "## Show", "", *links,
        f"- the newest alerts: `{there} alerts`",
        f"- why: `{there} explain {alerts[0].alert_id[:12]}`",
        f"- what is there: `{there} status`",
        f'- SQL: `{there} sql "SELECT symbol, count(*) AS trades FROM raw_trades GROUP BY symbol"`',
        f"- what is billed by the hour: `coattail aws status --environment {at.environment}`", "",
        "## Alerts", "", *(f"- {_line(each)}" for each in alerts[:_SHOWN]), "",
        "## Afterwards", "", f"`coattail aws stop --environment {at.environment}`", "",
    ]  # fmt: skip
    return "\n".join(lines)
