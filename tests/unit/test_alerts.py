"""What an alert is, and how one state of all alerts becomes the next."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail.alerts import FINAL, PROVISIONAL, RETRACTED, Alert, alert_id, canonical_json, changes

NOW = datetime(2025, 3, 4, tzinfo=UTC)


def make_alert(name: str = "a", **fields: object) -> Alert:
    alert = Alert(
        alert_id=name, alert_type="whale_trade", module_id="MOD-002", symbol="BTC-USDT", exchange=None,
        severity="high", detected_at=NOW, status=FINAL, message="m", details="{}", preset="classic",
    )  # fmt: skip
    return replace(alert, **fields)  # type: ignore[arg-type]


_keys = st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5) | st.integers(-(2**53), 2**53), max_size=5)


@given(key=_keys)
def test_an_id_is_the_hash_of_the_key_as_canonical_json_whatever_its_order(key: dict[str, object]) -> None:
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert alert_id(key) == alert_id(dict(reversed(key.items())))
    if text.isascii() and text.isprintable():
        assert canonical_json(key) == text
        assert alert_id(key) == hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def test_keys_that_joined_strings_would_confuse_have_other_ids() -> None:
    keys: list[dict[str, object]] = [
        {"a": None},
        {"a": "None"},
        {"a": ""},
        {},
        {"a": "b", "c": "d"},
        {"a": 'b","c":"d'},
    ]
    assert len({alert_id(key) for key in keys}) == len(keys)


def test_a_new_alert_is_revision_one_and_a_changed_one_the_next() -> None:
    (first,) = changes({}, [make_alert()])
    assert first.revision == 1
    (second,) = changes({"a": first}, [make_alert(details='{"x":1}')])
    assert second.revision == 2
    assert changes({"a": second}, [make_alert(details='{"x":1}')]) == []


def test_another_sentence_about_the_same_facts_is_no_revision() -> None:
    (first,) = changes({}, [make_alert()])
    assert changes({"a": first}, [make_alert(message="other words")]) == []


@pytest.mark.parametrize("field", ["severity", "status", "details", "preset"])
def test_any_other_difference_is_one(field: str) -> None:
    (first,) = changes({}, [make_alert(status=PROVISIONAL, severity="low")])
    assert len(changes({"a": first}, [make_alert(**{"status": PROVISIONAL, "severity": "low", field: "other"})])) == 1


def test_what_is_not_found_any_more_is_retracted_once_and_may_come_back() -> None:
    (first,) = changes({}, [make_alert()])
    (gone,) = changes({"a": first}, [])
    assert (gone.status, gone.revision) == (RETRACTED, 2)
    assert changes({"a": gone}, []) == []
    (back,) = changes({"a": gone}, [make_alert()])
    assert (back.status, back.revision) == (FINAL, 3)


@given(
    before=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2)),
    after=st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2)),
)
def test_applying_the_changes_gives_what_was_found(before: dict[str, int], after: dict[str, int]) -> None:
    known = {a.alert_id: a for a in changes({}, [make_alert(n, details=str(v)) for n, v in before.items()])}
    found = [make_alert(n, details=str(v)) for n, v in after.items()]
    known.update({a.alert_id: a for a in changes(known, found)})
    assert {a.alert_id: a.details for a in known.values() if a.status != RETRACTED} == {
        n: str(v) for n, v in after.items()
    }
