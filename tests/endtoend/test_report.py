"""`coattail report day` on a market that was replayed: what it says is what the other commands say."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coattail.reports.bundles import small
from coattail.reports.page import page_of
from tests.harness.browser import CHROMIUM, Browser
from tests.harness.commands import Child, Done
from tests.harness.processes import ROOT, environment
from tests.harness.report_facts import COMMANDS, make_alert, make_bars, make_facts

Run = Callable[..., Done]

SPAN = ("--since", "2025-03-04T12:00Z", "--until", "2025-03-04T13:20Z")
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><b>-USD"
T0_MS = 1_741_089_600_000
"""2025-03-04 12:00 UTC, ms."""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture
def day(undisturbed: Path, run: Run) -> Callable[..., Done]:
    """Makes a report of the undisturbed home, in an empty folder."""
    return lambda *arguments: run("--home", undisturbed, "report", "day", *arguments)


def capture(path: Path, *numbers: int, symbol: str = "BTCUSDT", price: str = "62000.10") -> Path:
    """A recording of Binance trades, one a second, of these numbers."""
    lines = []
    for number in numbers:
        fill = {"e": "trade", "E": T0_MS + 1000 * number, "s": symbol, "t": 1000 + number, "p": price, "q": "0.015",
                "T": T0_MS + 1000 * number, "m": False, "M": True}  # fmt: skip
        message = json.dumps({"stream": "x@trade", "data": fill})
        lines.append(b"%d %s\n" % ((T0_MS + 1000 * number + 20) * 1_000_000, message.encode()))
    path.write_bytes(b"".join(lines))
    return path


def test_the_page_says_what_the_other_commands_say(day: Run, run: Run, undisturbed: Path) -> None:
    done = day(*SPAN, "--light", "--out", "a.html", "--json")
    assert (done.code, done.err) == (0, "")
    said = done.json
    alerts = run("--home", undisturbed, "alerts", *SPAN, "--limit", 999, "--json").json
    assert said["alerts"]["count"] == alerts["count"] > 0
    assert said["bytes"] == Path("a.html").stat().st_size < 500_000
    snapshots = run("--home", undisturbed, "snapshots", "--json").json["snapshots"]
    assert said["snapshot_id"] == snapshots[0]["snapshot_id"]
    text = Path("a.html").read_text()
    assert said["headline"] in text.replace("&#x27;", "'")
    assert said["snapshot_id"] in text
    assert sum(alert["alert_id"][:12] in text for alert in alerts["alerts"]) == min(alerts["count"], 24)


def test_the_queries_on_the_page_have_the_answers_on_the_page(day: Run, run: Run, undisturbed: Path) -> None:
    day(*SPAN, "--light", "--out", "a.html")
    asked = re.findall(
        r"<pre>[^<]* sql &quot;(SELECT .*?)&quot;</pre><p[^>]*>answers <code>(\d+)</code>", Path("a.html").read_text()
    )
    assert len(asked) == 2
    for query, answer in asked:
        (row,) = run(
            "--home",
            undisturbed,
            "sql",
            query.replace("&#x27;", "'").replace("&gt;", ">").replace("&lt;", "<"),
            "--json",
        ).json["rows"]
        assert [str(value) for value in row.values()] == [answer]


def test_the_same_report_twice_is_the_same_file(day: Run) -> None:
    assert day(*SPAN, "--light", "--out", "a.html").code == 0
    first = Path("a.html").read_bytes()
    assert day(*SPAN, "--light", "--out", "a.html").code == 0
    assert Path("a.html").read_bytes() == first


def test_without_a_time_it_is_the_day_of_the_newest_trade(day: Run) -> None:
    done = day("--light")
    assert (done.code, done.err) == (0, "")
    assert "report-2025-03-04.html: " in done.out
    assert "2025-03-04, 00:00 to 24:00 UTC" in Path("report-2025-03-04.html").read_text()


def test_one_symbol_alone(day: Run) -> None:
    said = day(*SPAN, "--light", "--symbol", "btc-usdt", "--out", "a.html", "--json").json
    assert (said["symbols"], said["instruments"]) == (["BTC-USDT"], 1)
    assert "ETH-USDT" not in Path("a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "2025-03-05", "--until", "2025-03-04"), "is not before --until"),
        (("--date", "2025-03-04", "--since", "2h"), "exclude each other"),
        (("--date", "yesterday"), "is not a date"),
        (("--date", "9999-12-31"), "is not a date"),
        (("--since", "2024-01-01", "--until", "2025-01-01"), "are 366 days"),
        (("--symbol", "BTC-USDTT"), "did you mean BTC-USDT?"),
        (("--out", "nowhere/a.html"), "there is no folder nowhere"),
        (("--out", "/dev/null"), "is not a regular file"),
    ],
)
def test_a_mistake_is_one_line_and_no_file(day: Run, arguments: tuple[str, ...], said: str) -> None:
    done = day("--light", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert list(Path.cwd().glob("*.html")) == []


def test_a_file_that_is_no_report_stays_unless_forced(day: Run) -> None:
    Path("a.html").write_text("mine")
    done = day("--light", "--out", "a.html")
    assert (done.code, Path("a.html").read_text()) == (2, "mine")
    assert "add --force to replace it" in done.err
    assert day("--light", "--out", "a.html", "--force").code == 0


def test_a_day_without_trades_is_a_page_that_says_so(day: Run) -> None:
    done = day("--light", "--date", "2024-01-01")
    assert done.code == 0
    assert done.out.startswith("Nothing landed of this time.\n")


def test_a_home_without_data_has_an_empty_page(run: Run) -> None:
    run("init")
    done = run("report", "day", "--light", "--out", "a.html")
    assert (done.code, done.err) == (0, "")
    assert "nothing has landed in this home yet" in Path("a.html").read_text()
    assert run("--home", "elsewhere", "report", "day", "--light").code == 1


def test_gaps_rejected_rows_and_hostile_payloads_are_shown_as_text(run: Run, tmp_path: Path) -> None:
    capture(tmp_path / "good", *range(60), *range(90, 200))
    capture(tmp_path / "bad", 300, 301, symbol="</script><script>alert(1)</script>")
    assert run("replay", "good").code == 0
    run("replay", "bad")
    said = run("report", "day", "--date", "2025-03-04", "--light", "--out", "a.html", "--json").json
    assert (said["trades"], said["gaps"]) == (170, 1)
    text = Path("a.html").read_text()
    assert "30 trades missing between 2025-03-04 12:00:59Z and 2025-03-04 12:01:30Z (ids 1060 to 1089" in text
    assert "<script" not in text
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert "received 172 = landed 170 + rejected 2 + duplicates 0" in text


def test_a_symbol_called_script_is_one_that_is_not_here(day: Run) -> None:
    done = day("--symbol", "<script>", "--light")
    assert done.code == 2
    assert "'<SCRIPT>' has no trades here" in done.err


def test_a_full_disk_leaves_the_old_page(day: Run, undisturbed: Path) -> None:
    assert day("--light", "--out", "a.html").code == 0
    before = Path("a.html").read_bytes()
    command = [
        sys.executable,
        "-m",
        "coattail",
        "--home",
        str(undisturbed),
        "report",
        "day",
        "--light",
        "--out",
        "a.html",
    ]
    limited = ["bash", "-c", 'ulimit -f 20; trap "" XFSZ; exec "$@"', "-", *command]
    done = subprocess.run(limited, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert Path("a.html").read_bytes() == before
    assert list(Path.cwd().glob(".a.html*")) == []


def test_two_reports_to_one_file_at_once(undisturbed: Path, tmp_path: Path) -> None:
    arguments = ("--home", undisturbed, "report", "day", "--light", "--out", "a.html", "--date")
    children = [Child(*arguments, day, folder=tmp_path) for day in ("2025-03-04", "2025-03-05")]
    assert [child.end().code for child in children] == [0, 0]
    text = (tmp_path / "a.html").read_text()
    assert text.endswith("</html>\n")
    assert text.count("<!DOCTYPE") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


@needs_chromium
def test_in_a_browser_the_charts_come_alive_and_nothing_is_fetched(
    run: Run, tmp_path: Path, browse: Callable[..., Browser]
) -> None:
    capture(tmp_path / "good", *range(60), *range(90, 2000))
    run("replay", "good")
    assert run("report", "day", "--date", "2025-03-04", "--out", "a.html").code == 0
    browser = browse("a.html")
    browser.wait_for("Number(document.documentElement.dataset.charts) >= 2")
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("file:", "about:", "data:", "blob:"))] == []
    assert browser.ask("document.querySelectorAll('.alive .main-svg').length") >= 2
    still = "getComputedStyle(document.querySelector('.alive .still')).display"
    assert browser.ask(still) == "none"
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask(still) == "block"
    assert browser.ask("getComputedStyle(document.querySelector('.live')).display") == "none"


@needs_chromium
def test_plotly_shows_hostile_names_as_text(tmp_path: Path, browse: Callable[..., Browser]) -> None:
    facts = make_facts(
        bars=make_bars(HOSTILE), alerts=[make_alert(symbol=HOSTILE, message=HOSTILE, alert_type="whale_trade")]
    )
    (tmp_path / "a.html").write_text(page_of(facts, COMMANDS, {}, small()))
    browser = browse(str(tmp_path / "a.html"))
    browser.wait_for("Number(document.documentElement.dataset.charts) >= 2")
    assert browser.ask("document.title").startswith("coattail: 2025-03-04")
    assert browser.ask("document.querySelectorAll('img, .live script, .live a').length") == 0
    assert browser.complaints == []


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_fits_a_phone_and_can_be_read_in_both_colours(
    day: Run, browse: Callable[..., Browser], dark: bool
) -> None:
    day(*SPAN, "--light", "--out", "a.html")
    browser = browse("a.html", width=360, height=800, dark=dark)
    assert browser.ask("document.documentElement.scrollWidth") <= 360
    colours = """[['body', 'backgroundColor'], ['body', 'color'], ['.lead', 'color'], ['.note', 'color'],
        ['nav a', 'color']].map(([at, what]) => getComputedStyle(document.querySelector(at))[what])"""
    paper, *inks = (brightness(colour) for colour in browser.ask(colours))
    assert (paper < 0.1) is dark
    assert [(max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) >= 4.5 for ink in inks] == [True] * len(inks)


def brightness(colour: str) -> float:
    """Relative luminance, as WCAG 2 has it, of `rgb(1, 2, 3)`."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@needs_chromium
def test_a_page_can_be_printed(day: Run, browse: Callable[..., Browser]) -> None:
    day(*SPAN, "--light", "--out", "a.html")
    printed = browse("a.html").call("Page.printToPDF", preferCSSPageSize=True)["data"]
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed))) <= 12


def test_the_page_about_reports_lists_the_keys_that_are_printed(day: Run) -> None:
    page = (ROOT / "docs" / "REPORTS.md").read_text()
    block = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert block is not None
    documented: dict[str, Any] = json.loads(block[1])
    printed = day(*SPAN, "--light", "--out", "a.html", "--json").json
    assert list(documented) == list(printed)
    assert list(documented["alerts"]) == list(printed["alerts"])
