"""What somebody waits for who opens the live page, and what it keeps in memory the longer it is open."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks import report
from coattail.stores.served import ASSET, SYMBOL
from tests.harness.browser import CHROMIUM, Browser
from tests.harness.live_page import LivePage, see
from tests.harness.served import NEWEST, asset_fact, numbered, symbol_fact

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

SYMBOLS = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "BTC-USD", "ETH-USD", "SOL-USD", "USDT-USD")
REFRESHES, WARM = 200, 20
READY = "Number(document.documentElement.dataset.ready)"
REFRESHED = "Number(document.documentElement.dataset.refreshes || 0)"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[LivePage]:
    """Seven symbols at two venues, three assets, 10,000 alerts."""
    made = LivePage(tmp_path)
    made.fill(10_000)
    made.store.put_facts({ASSET + base: asset_fact(base) for base in ("BTC", "ETH", "SOL")}, now=datetime.now(UTC))
    turn(made, 0)
    yield made
    made.close()


def turn(page: LivePage, number: int) -> None:
    """Let every chart change, and an alert fire."""
    drawn, facts = random.Random(number), {}
    for symbol in SYMBOLS:
        fact = symbol_fact(symbol)
        measured = [[100 * drawn.random() for _ in range(60)] for _ in fact.windows]
        facts[SYMBOL + symbol] = replace(
            fact, windows=[replace(one, measured=said) for one, said in zip(fact.windows, measured, strict=True)]
        )
    page.store.put_facts(facts, now=datetime.now(UTC))
    page.put([numbered(100_000 + number, detected_at=NEWEST)])


def test_the_first_view(page: LivePage, tmp_path: Path) -> None:
    """From the request to every part filled and every chart in view drawn, in a new browser each time."""
    address, waits, sizes = page.start(), [], []
    for number in range(7):
        browser = see(Browser(tmp_path / f"profile-{number}", width=1440, height=900), address)
        waits.append(browser.ask(READY) / 1000)
        sizes.append(
            browser.ask("performance.getEntriesByType('resource').reduce((sum, e) => sum + e.transferSize, 0)")
        )
        browser.close()
    report.row(
        "live page, first view",
        ours=statistics.median(waits), peer=None, unit="s", ratio=None, must=3, aim=1, judged="ours",
        less_is_better=True,
        note="Chromium, 1440 x 900, 7 symbols at two venues, 10,000 alerts, nothing cached; "
        f"{sizes[-1] / 1000:,.0f} kB; slowest of 7 {max(waits):.2f} s, fastest {min(waits):.2f} s",
    )  # fmt: skip


def test_memory_of_an_open_page(page: LivePage, tmp_path: Path) -> None:
    """Everything on it changes each second; what is in use after a collection."""
    browser = see(Browser(tmp_path / "profile", width=1440, height=3000), page.start() + "?every=1")
    browser.call("HeapProfiler.enable")
    heaps, number = [], 0
    for refreshes in (WARM, REFRESHES):
        while browser.ask(REFRESHED) < refreshes:
            number += 1
            turn(page, number)
            time.sleep(0.9)
        browser.call("HeapProfiler.collectGarbage")
        heaps.append(browser.ask("performance.memory.usedJSHeapSize") / 1e6)
    assert browser.complaints == []
    browser.close()
    report.row(
        f"live page, heap after {REFRESHES} refreshes",
        ours=heaps[1], peer=heaps[0], unit="MB", ratio=heaps[1] / heaps[0], must=1.5, aim=1.2, less_is_better=True,
        note=f"every chart and an alert change between two looks; peer: after {WARM}",
    )  # fmt: skip
