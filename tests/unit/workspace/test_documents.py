import enum
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from coattail.alerts import Alert
from coattail.stores.current import alert_frame
from coattail.workspace.documents import encoded
from coattail.workspace.documents.alerts import alert_document

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Sale:
    price: Decimal
    at: datetime


class Asked(msgspec.Struct):
    every: timedelta


def alert() -> Alert:
    return Alert(
        alert_id="a" * 32, alert_type="volume_spike", module_id="MOD-001", symbol="BTC-USDT", exchange=None,
        severity="high", detected_at=datetime(2025, 3, 4, 14, tzinfo=UTC), status="final", message="a lot",
        details='{"z":4.5}', preset="classic", revision=2, evidence="{}",
    )  # fmt: skip


def test_json_has_decimals_as_strings_and_times_with_z() -> None:
    east = timezone(timedelta(hours=2))
    value: dict[str, Any] = {
        "sale": Sale(Decimal("1E+2"), datetime(2024, 8, 8, 14, 0, 0, 5, tzinfo=east)),
        "naive": datetime(2024, 8, 8, 12),
        "utc": datetime(2024, 8, 8, 12, tzinfo=UTC),
        "day": date(2024, 8, 8),
        "for": timedelta(minutes=5),
        "asked": Asked(timedelta(hours=1)),
        "path": Path("a/b"),
        "nan": float("nan"),
        "colour": Colour.RED,
        "pair": ("a", None, True),
    }
    assert json.loads(encoded(value)) == {
        "sale": {"price": "100", "at": "2024-08-08T12:00:00.000005Z"},
        "naive": "2024-08-08T12:00:00Z",
        "utc": "2024-08-08T12:00:00Z",
        "day": "2024-08-08",
        "for": "5m",
        "asked": {"every": "1h"},
        "path": "a/b",
        "nan": None,
        "colour": "red",
        "pair": ["a", None, True],
    }


def test_json_is_one_line_or_indented() -> None:
    assert encoded({"text": "a\nb", "n": Decimal("0.10")}) == b'{"text":"a\\nb","n":"0.10"}'
    assert encoded({"n": 1}, indent=2) == b'{\n  "n": 1\n}'


def test_an_alert_and_its_row_have_the_same_document() -> None:
    row = alert_frame([alert()], WRITTEN).row(0, named=True)
    assert alert_document(row) == alert_document(alert(), WRITTEN)


def test_an_alerts_document_shows_all_but_its_evidence() -> None:
    shown = json.loads(encoded(alert_document(alert())))
    assert shown["details"] == {"z": 4.5}
    assert shown["exchange"] is None
    assert shown["recorded_at"] is None
    assert set(shown) == {f for f in Alert.__dataclass_fields__ if f != "evidence"} | {
        "recorded_at",
        "muted",
        "acknowledged",
    }
