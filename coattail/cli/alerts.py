"""`coattail alerts`: the current alerts, and new ones as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.hints import line
from coattail.cli.output import print_json, print_json_line
from coattail.cli.screen import Screen
from coattail.cli.terminal import clock, printable
from coattail.cli.when import SinceOption, UntilOption
from coattail.errors import UsageError
from coattail.workspace.times import parse_when

if TYPE_CHECKING:
    import polars as pl

    from coattail.home import Home
    from coattail.stores.hot import StoredAlert

_STATUSES = ("provisional", "final", "retracted")
_SEVERITIES = ("low", "medium", "high", "critical")
_FIRST_LINES = 10
_OVERLAP = timedelta(minutes=1)
"""How far back each look goes: a revision may become visible a little after the time it carries."""

TypeOption = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="For example volume_spike.")]
SymbolOption = Annotated[str | None, typer.Option("--symbol", metavar="SYMBOL", help="For example BTC-USDT.")]
ExchangeOption = Annotated[str | None, typer.Option("--exchange", metavar="NAME", help="For example binance.")]
SeverityOption = Annotated[
    str | None, typer.Option("--severity", metavar="LEVEL", help="This or above: low, medium, high, critical.")
]
StatusOption = Annotated[str | None, typer.Option("--status", help="provisional, final, or retracted.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many. [default: 50]")]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones until Ctrl-C.")]


@command("alerts", examples=["coattail alerts --severity high", "coattail alerts --symbol BTC-USDT --follow"])
def alerts(
    session: Session,
    *,
    type_: TypeOption = None,
    symbol: SymbolOption = None,
    exchange: ExchangeOption = None,
    severity: SeverityOption = None,
    status: StatusOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = None,
    follow: FollowOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the current alerts, newest first.

    --since and --until are about when it happened in the market. With --follow, the newest ten come first, oldest
    on top, and every new, revised or retracted alert gets a line of its own.

    JSON: {"alerts": [...], "count", "has_more", "disclaimer"}; with --follow one alert per line. See docs/CLI.md.
    """
    from coattail.stores.current import current_alerts

    _check(severity, _SEVERITIES, "--severity")
    _check(status, _STATUSES, "--status")
    now = datetime.now(UTC)
    wanted = Wanted(type_, symbol, exchange, severity, status)
    start = parse_when(since, "--since", now=now) if since else None
    end = parse_when(until, "--until", now=now) if until else None
    stores = session.stores()
    if follow and (until or status == "retracted"):
        raise UsageError("--follow goes on with what comes: --until and --status retracted make no sense there")
    everything = current_alerts(stores.lake, stores.hot, now=now, retracted=True)
    wanted.check_type(everything)
    shown = wanted.of(everything)
    if start is not None:
        shown = shown.filter(shown["detected_at"] >= start)
    if end is not None:
        shown = shown.filter(shown["detected_at"] < end)
    rows = shown.head(limit or (_FIRST_LINES if follow else 50)).to_dicts()
    if follow:
        _follow(stores.home, wanted, start, rows[::-1], as_json=as_json)
    elif as_json:
        print_json(
            {
                "alerts": [_as_json(row) for row in rows],
                "count": len(rows),
                "has_more": shown.height > len(rows),
                "disclaimer": _disclaimer(),
            }
        )
    else:
        _print(rows, shown.height, wanted.of(everything), stores.home)


def _print(rows: list[dict[str, Any]], found: int, in_any_time: pl.DataFrame, home: Home) -> None:
    screen = Screen()
    for row in rows:
        screen.say(_line(screen, row))
    if found > len(rows):
        screen.say(f"{found - len(rows):,} older ones are not shown; --limit shows more")
    if not rows and in_any_time.height:
        newest = in_any_time.row(0, named=True)
        screen.say(f"no alerts in that time; the newest is of {clock(newest['detected_at'])}")
    elif not rows:
        screen.say("no alerts yet, or none that fit")
        screen.say(f"  look: {line(home.path, 'status')}    see some: {line(home.path, 'demo')}")
    screen.say(_disclaimer())


class Wanted:
    """Which alerts were asked for."""

    def __init__(
        self, type_: str | None, symbol: str | None, exchange: str | None, severity: str | None, status: str | None
    ) -> None:
        self.equal = {
            "alert_type": type_,
            "symbol": symbol.upper() if symbol else None,
            "exchange": exchange.lower() if exchange else None,
            "status": status,
        }
        self.severities = _SEVERITIES[_SEVERITIES.index(severity) :] if severity else _SEVERITIES

    def check_type(self, everything: pl.DataFrame) -> None:
        """Refuse a type that no detector has and no alert bears."""
        from coattail.detectors import ALERT_TYPES

        _check(self.equal["alert_type"], sorted(ALERT_TYPES | set(everything["alert_type"])), "--type")

    def of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows asked for; retracted ones only if they were."""
        import polars as pl

        kept = frame.filter(pl.col("severity").is_in(list(self.severities)))
        if self.equal["status"] is None:
            kept = kept.filter(pl.col("status") != "retracted")
        for column, value in self.equal.items():
            if value is not None:
                kept = kept.filter(pl.col(column) == value)
        return kept

    def holds(self, row: dict[str, Any]) -> bool:
        """Whether one revision is asked for; a retraction of such an alert is."""
        same = all(v is None or row[c] == v for c, v in self.equal.items() if c != "status")
        right = self.equal["status"] in (None, row["status"]) or row["status"] == "retracted"
        return same and right and row["severity"] in self.severities


def _check(value: str | None, known: tuple[str, ...] | list[str], option: str) -> None:
    if value is not None and value not in known:
        raise UsageError(f"{option} {value!r} is unknown", next_step=f"known: {', '.join(known)}")


def _follow(home: Home, wanted: Wanted, since: datetime | None, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    screen = Screen()
    seen = {row["alert_id"]: row["revision"] for row in rows}
    try:
        if not as_json:
            screen.say(_disclaimer())
        for row in rows:
            _tell(screen, row, "current", as_json=as_json)
        for row, change in revisions(home, seen, wait=_wait):
            if wanted.holds(row) and (since is None or row["detected_at"] >= since):
                _tell(screen, row, change, as_json=as_json)
    except KeyboardInterrupt:
        return


def _wait() -> None:
    time.sleep(1)


def _tell(screen: Screen, row: dict[str, Any], change: str, *, as_json: bool) -> None:
    if as_json:
        print_json_line({"change": change, **_as_json(row)})
    else:
        screen.say(_line(screen, row, change))


def revisions(home: Home, seen: dict[str, int], *, wait: Callable[[], None]) -> Iterator[tuple[dict[str, Any], str]]:
    """Revisions written from now on, as (alert, `new`, `revised` or `retracted`), oldest first, without end.

    `seen`: alert_id -> revision that was shown already. `wait` is called before every look at the hot store.
    """
    newest = _newest_write(home)
    for stored in _written(home, newest - _OVERLAP):
        seen.setdefault(stored.alert.alert_id, stored.alert.revision)
    while True:
        wait()
        found = _written(home, newest - _OVERLAP)
        newest = max([newest, *(s.recorded_at for s in found)])
        for stored in sorted(found, key=lambda s: (s.recorded_at, s.alert.detected_at)):
            alert = stored.alert
            before = seen.get(alert.alert_id)
            if before is None or alert.revision > before:
                seen[alert.alert_id] = alert.revision
                row = {name: getattr(alert, name) for name in alert.__dataclass_fields__}
                change = "retracted" if alert.status == "retracted" else "new" if before is None else "revised"
                if not (before is None and change == "retracted"):
                    yield {**row, "recorded_at": stored.recorded_at}, change


def _newest_write(home: Home) -> datetime:
    written = _written(home, datetime(1970, 1, 1, tzinfo=UTC))
    return max((s.recorded_at for s in written), default=datetime.now(UTC))


def _written(home: Home, after: datetime) -> list[StoredAlert]:
    """Alerts written after a time; the store is opened each time, because an engine may only just have made it."""
    from coattail.stores.hot import SqliteHotStore

    hot = SqliteHotStore(home.hot_db, writable=False)
    try:
        return hot.alerts(written_after=after, now=datetime.now(UTC))
    finally:
        hot.close()


def _line(screen: Screen, row: dict[str, Any], change: str = "") -> str:
    """One line for a person: when, how bad, what, and the id that `explain` takes."""
    note = change if change in ("revised", "retracted") else row["status"] if row["status"] != "final" else ""
    severity = screen.colour(f"{row['severity']:8}", row["severity"])
    ident = screen.colour(row["alert_id"][:12], "dim")
    what = f"{row['alert_type']:17}  {printable(row['message'])}"
    return f"{clock(row['detected_at'])}  {severity}  {what}{f' ({note})' if note else ''}  {ident}"


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    import msgspec

    shown = {name: value for name, value in row.items() if name != "evidence"}  # `coattail explain` is about that
    return {**shown, "details": msgspec.json.decode(row["details"])}


def _disclaimer() -> str:
    from coattail.alerts import DISCLAIMER

    return DISCLAIMER
