"""Why an alert comes or goes: what other rules say of its window, and which rules wrote it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from coattail.alerts import Alert
from coattail.detectors import Facts
from coattail.detectors.net_spread import NetSpreadDetector
from coattail.detectors.rare_volume import RareVolumeDetector
from coattail.detectors.spread import SpreadDetector
from coattail.detectors.volume import VOLUME_SPIKE, VolumeAnomalyDetector
from coattail.detectors.whale import WHALE_TRADE, WhaleDetector
from coattail.engines.comparison import OTHER_RULES, UNEXPLAINED, Compared, Reasons, compare
from coattail.engines.evidence import Evidence, Inputs, evidence_of
from coattail.engines.standings import Standings, rules_written_by
from coattail.tables import BARS, ORDERS

START = datetime(2025, 3, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CLASSIC, RARE, WHALES = VolumeAnomalyDetector(), RareVolumeDetector(), WhaleDetector()


def spike(detector: VolumeAnomalyDetector | RareVolumeDetector = CLASSIC, *, after: int = 1, second: int = 0) -> Alert:
    """An alert about a moment of A-USD."""
    return detector.alert(
        alert_type=VOLUME_SPIKE, key={"window_end": after}, symbol="A-USD", exchange="a", severity="medium",
        detected_at=START + after * MINUTE - timedelta(seconds=second), closed=True, message="m", details={},
    )  # fmt: skip


def minutes(detector: VolumeAnomalyDetector | RareVolumeDetector, **columns: list[object]) -> dict[str, pl.DataFrame]:
    """Rows of the first minutes of A-USD."""
    length = len(next(iter(columns.values())))
    starts = [START + n * MINUTE for n in range(length)]
    rows = pl.DataFrame(
        {"exchange": "a", "symbol": "A-USD", "window_start": starts, "preset": detector.preset} | columns
    )
    rows = rows.with_columns((pl.col("window_start") + MINUTE).alias("window_end"))
    kept = detector.table.conform(rows).with_columns(
        (pl.col("window_start") + MINUTE).alias("detected_at"), pl.lit(value=True).alias("kept")
    )
    return {detector.name: kept}


def test_what_was_judged_says_its_size_beside_what_an_alert_takes() -> None:
    rows = minutes(CLASSIC, state=["judged", "judged"], z_score=[1.5, 9.0])
    assert Standings([CLASSIC], rows).of(spike(RARE, second=20)) == ("z = 1.50, and beyond 2.5 either way is an alert")
    rows = minutes(RARE, state=["judged", "judged"], return_days=[0.125, 40.0])
    said = Standings([RARE], rows)
    assert said.of(spike()) == (
        "it comes about once in 3 hours, and an alert takes once in 12 hours (too little: in 6.7 days)"
    )
    assert said.of(spike(after=2)).startswith("it comes once in 40 days, which is rare enough: but ")


def test_what_was_not_judged_says_why() -> None:
    rows = minutes(RARE, state=["short_history"], return_days=[None])
    assert Standings([RARE], rows).of(spike()) == (
        "it abstains there: too little was seen before to say what is usual (short_history)"
    )
    assert Standings([RARE], rows).of(spike(after=7)) == "there is no verdict about it"
    assert Standings([WHALES], {}).of(spike()) == "no detector of this module runs"
    order = WHALES.alert(
        alert_type=WHALE_TRADE, key={"trade_id": 1}, symbol="A-USD", exchange="a", severity="medium",
        detected_at=START, closed=True, message="m", details={},
    )  # fmt: skip
    assert Standings([WHALES], {}).of(order).startswith("it is not above 100,000 dollars")


def test_spreads_say_their_percent() -> None:
    assert SpreadDetector().standing({"spread_pct": -0.312}) == "-0.31 % apart, and more than 0.5 % is an alert"
    row = {"exchange_b": "b", "net_pct": 0.21, "net_z": 3.0, "kind": "pair", "basis_pct": 0.0}
    assert (
        NetSpreadDetector().standing(row).startswith("net +0.21 %, 3.0 deviations from what is usual there; an alert")
    )


def written(alert: Alert, detector: VolumeAnomalyDetector | RareVolumeDetector, **changed: object) -> Alert:
    """The alert with the evidence of a detector, changed."""
    spans = pl.DataFrame(
        schema={"exchange": pl.String, "symbol": pl.String, "first_ts": pl.Datetime("us", "UTC"),
                "last_ts": pl.Datetime("us", "UTC")}
    )  # fmt: skip
    facts = Facts(
        bars=BARS.empty(), orders=ORDERS.empty(), spans=spans, since=START, until=START + MINUTE, watermark=START
    )  # fmt: skip
    evidence = json.loads(evidence_of(alert, detector, Inputs(facts), commit=1).json()) | changed
    return replace(alert, evidence=json.dumps({name: value for name, value in evidence.items() if value is not None}))


def test_the_version_of_the_rules_is_part_of_the_evidence_and_old_evidence_without_it_is_read() -> None:
    alert = written(spike(), CLASSIC)
    found = Evidence.read(alert.evidence or "")
    assert (found.rules, found.of_these_rules) == (1, True)
    old = Evidence.read(written(spike(), CLASSIC, rules=None).evidence or "")
    assert (old.rules, old.of_these_rules) == (None, True)
    other = Evidence.read(written(spike(), CLASSIC, rules=7).evidence or "")
    assert (other.rules, other.of_these_rules) == (7, False)


def test_an_alert_says_which_other_rules_wrote_it() -> None:
    assert rules_written_by(written(spike(), CLASSIC), CLASSIC) == ""
    assert rules_written_by(spike(), CLASSIC) == "", "nothing is known of who wrote it"
    stricter = VolumeAnomalyDetector(z_threshold=3.0)
    assert rules_written_by(written(spike(), CLASSIC), stricter) == (
        "other parameters wrote it: z_threshold 2.5, here 3.0"
    )
    former = written(spike(RARE), RARE, rules=None, parameters={"spike_floor": 4.0}, code="0.0.9")
    said = f"former rules of default wrote it (coattail 0.0.9); now it has rules {RARE.rules}"
    assert rules_written_by(former, RARE) == said


def compared(alert: Alert, reasons: Reasons) -> Compared:
    """An alert that the tables hold and that nothing gives any more."""
    held = {alert.alert_id: alert}
    (found,) = compare(
        held, {}, {}, standing="exact", watermark=START + 9 * MINUTE, settings=lambda _: [], reasons=reasons
    )
    return found


def test_an_alert_of_former_rules_goes_and_says_what_the_present_ones_say_of_it() -> None:
    alert = spike()
    found = compared(alert, Reasons(other_rules=lambda _: "former rules wrote it", without_original=lambda _: "z = 1"))
    assert (found.verdict, found.causes) == ("vanished", (OTHER_RULES,))
    assert found.reason == "former rules wrote it; now z = 1"
    assert compared(alert, Reasons()).causes == (UNEXPLAINED,)
