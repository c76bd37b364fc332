"""A text holds where each of its numbers has a query that gives it now, and where it promises nothing."""

from __future__ import annotations

import pytest

from coattail.alerts import DISCLAIMER
from coattail.reports.claims import Claim
from coattail.share.claims import LONGEST, Answer, plain, problems_of

EVIL = (
    "<script>alert(1)</script> [x](javascript:alert(1)) https://evil.example @all #free `rm` *b* www.a.example\x1b]0;"
)
MESSAGE = "1INCH-USDT on binance: one order bought 847 k dollars in five minutes, usually 2.5"
TIME = "TIMESTAMP '2025-03-04 12:00:00 UTC'"


def claim(text: str, value: int | float | str, query: str = "") -> Claim:
    return Claim(text=text, query=query or f"SELECT '{text}' AND {TIME}", value=value, snapshot="8271640183745093")


CLAIMS = [
    claim("179,332 trades", 179_332), claim("13 alerts", 13), claim("2 critical", 2), claim("0 trades missing", 0),
    claim("5 bursts of volume", 5), claim("largest order 1.4 M dollars", 1_399_888.13), claim("-1.5 % change", -1.5),
    claim(MESSAGE, MESSAGE), claim(EVIL, EVIL),
]  # fmt: skip
ANSWERS: dict[str, Answer] = {one.query: one.value for one in CLAIMS}


def found(line: str, answers: dict[str, Answer] | None = None) -> list[str]:
    problems = problems_of(f"{line}\n{DISCLAIMER}\n", CLAIMS, ANSWERS if answers is None else answers)
    assert {problem.line for problem in problems} <= {1}
    return [problem.text for problem in problems]


@pytest.mark.parametrize(
    "line",
    [
        "13 alerts, 2 of them critical: 5 bursts of volume in 179,332 trades",
        "179 k trades, 0.2 million trades, 179332 trades",
        "the largest order took 1.4 million dollars; 1.39989 M dollars was the order, the largest",
        "no trade is missing, and there is no gap",
        "on 2025-03-04 from 12:00 to 24:00, at 2025-03-04T12:00:00Z, 13 alerts",
        "snapshot 8271640183745093 of raw_trades",
        f"Above all: {MESSAGE}.",
        f"Hostile: {plain(EVIL)}",
        "1INCH-USDT, #1INCH and BTC-USDT; one of them",
        "a change of -1.5 %, or -1.5 percent: the change",
        "see https://example.org/2031/97-percent",
        "",
    ],
)
def test_what_the_queries_give_may_be_said(line: str) -> None:
    assert found(line) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("181,000 trades", ["181,000"]),
        ("180 k trades", ["180 k"]),
        ("13 trades", ["13"]),
        ("13 % of alerts", ["13 %"]),
        ("13 times the alerts", ["13 times"]),
        ("1.5 % change", ["1.5 %"]),
        ("-1.5 change", ["-1.5"]),
        ("97 % of alerts and 99.9 alerts", ["97 %", "99.9"]),
        ("twelve alerts, thousands of trades, half of it", ["twelve", "thousands", "half"]),
        ("on 2024-01-01 at 13:49, 13 alerts", ["2024-01-01", "13:49"]),
        ("97pct, v13 and 13x of alerts", ["97pct", "v13", "13x"]),
        (MESSAGE.replace("847", "848"), ["848 k", "2.5", "five"]),
        ("#2MOON", ["#2MOON"]),
        ("1.2.3 alerts", ["1.2.3"]),
        ("Guaranteed: always the BEST, never lose", ["Guaranteed", "always", "BEST", "never"]),
        ("the first to profit", ["first", "profit"]),
        ("risk-free, you can't lose", ["risk-free", "can't lose"]),
    ],
)  # fmt: skip
def test_what_no_query_gives_and_what_is_promised_fails_with_its_line(line: str, said: list[str]) -> None:
    assert sorted(found(line)) == sorted(said)


def test_a_number_whose_query_gives_another_value_now_is_stale() -> None:
    changed = ANSWERS | {CLAIMS[0].query: 181_000, CLAIMS[7].query: None}
    problems = problems_of(f"a\n179,332 trades\n{MESSAGE}\n{DISCLAIMER}", CLAIMS, changed)
    assert [(problem.line, problem.why.partition(" (")[0]) for problem in problems][:2] == [
        (2, "stale: its query gives 181000 now"),
        (3, "stale: its query gives nothing now"),
    ]
    assert found("13 alerts", changed) == []


def test_that_none_is_missing_needs_a_claim_too() -> None:
    line = "no trade is missing"
    assert found(line, ANSWERS | {CLAIMS[3].query: 4}) == ["no trade is missing"]
    assert [p.text for p in problems_of(f"None was lost\n{DISCLAIMER}", [], {})] == ["None was lost"]


def test_a_coin_may_be_called_what_nobody_may_promise() -> None:
    coin = claim("BEST-USDT on binance: much BEST", "BEST-USDT on binance: much BEST")
    assert problems_of(f"BEST-USDT rose, said BEST\n{DISCLAIMER}", [coin], {coin.query: coin.value}) == []
    assert len(problems_of(f"the best of BEST\n{DISCLAIMER}", [coin], {coin.query: coin.value})) == 1


def test_the_disclaimer_and_the_length_are_of_the_whole_text() -> None:
    assert [str(p)[:25] for p in problems_of("13 alerts", CLAIMS, ANSWERS)] == ["the disclaimer is missing"]
    assert len(problems_of(f"{'a' * LONGEST}\n{DISCLAIMER}", CLAIMS, ANSWERS)) == 1


def test_nothing_of_markup_survives_in_a_post() -> None:
    said = plain(EVIL)
    assert not set("<>[]`*_#@|\\~\x1b") & set(said.replace("\\x1b", ""))
    assert "://" not in said
    assert "javascript:" not in said
    assert "www." not in said
