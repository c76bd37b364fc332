"""The live page in a browser: filled, alive, honest about what it does not know, and harmless."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from msgspec.structs import replace

from coattail.api.written import WrittenPage
from coattail.errors import HomeError
from coattail.stores.served import SYMBOL, SymbolFact
from tests.harness.axe import violations
from tests.harness.browser import CHROMIUM, Browser
from tests.harness.commands import Child, Done, until
from tests.harness.live_page import LivePage, see, text
from tests.harness.served import NEWEST, numbered, symbol_fact

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

SECTIONS = ("Alerts", "Price and volume", "Spreads", "Large orders", "System health", "Track record")
PAYLOADS = [
    f"{before}{name}{after}"
    for name in ("<img src=x onerror=owned()>", "<script>owned()</script>", '<a href="http://evil.test/">x</a>',
                 '<a href="javascript:owned()">x</a>', "<svg onload=owned()>", "<b onmouseover=owned()>x</b>",
                 '<iframe src="http://evil.test/"></iframe>', "<style>*{display:none}</style>",
                 "<form action=http://evil.test><input name=q autofocus onfocus=owned()>",
                 '<link rel=stylesheet href="http://evil.test/a.css">', "<base href=http://evil.test/>",
                 '<meta http-equiv="refresh" content="0;url=http://evil.test/">')
    for before, after in (("", ""), ("</title></script>", ""), ("\">'>", "<!--"), ("%{y}<extra>", "</extra>"),
                          ("&lt;", "&gt;"))
]  # fmt: skip


class Silent(SimpleHTTPRequestHandler):
    """A static host that logs nothing."""

    def log_message(self, format: str, *arguments: object) -> None:
        return


@pytest.fixture
def page(tmp_path: Path) -> Iterator[LivePage]:
    """A page over an empty store."""
    made = LivePage(tmp_path)
    yield made
    made.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Makes browsers, and ends them."""
    made: list[Browser] = []

    def go(*, width: int = 1440, height: int = 1000, dark: bool = False) -> Browser:
        made.append(Browser(tmp_path / f"profile-{len(made)}", width=width, height=height, dark=dark))
        return made[-1]

    yield go
    for one in made:
        one.close()


def hostile_fact() -> SymbolFact:
    """A symbol all of whose texts are markup."""
    made = symbol_fact("ETH-USDT", PAYLOADS[10:12])
    windows = [replace(one, state=PAYLOADS[:60], measure=PAYLOADS[0], scale=PAYLOADS[1]) for one in made.windows]
    orders = [replace(one, side=PAYLOADS[2], exchange=PAYLOADS[3]) for one in made.orders]
    gaps = [replace(one, exchange=PAYLOADS[4], cause=PAYLOADS[5]) for one in made.gaps]
    return replace(made, base=PAYLOADS[8], windows=windows, orders=orders, gaps=gaps)


def hover(browser: Browser, plot: str) -> None:
    """Point along a chart, which says what is there: as text."""
    browser.ask(f"{plot}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    box = browser.ask(f"JSON.stringify({plot}.getBoundingClientRect())")
    at, said = json.loads(box), set[str]()
    for percent in range(16, 64, 4):
        place = {"x": at["x"] + at["width"] * percent / 100, "y": at["y"] + at["height"] * 0.3}
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", **place)
        browser.wait_for(f"{plot}.querySelectorAll('.hoverlayer text').length > 0")
        said.add(browser.ask(f"{plot}.querySelector('.hoverlayer').textContent"))
        assert browser.ask("document.querySelectorAll('svg a, .hoverlayer tspan[style]').length") == 0
    assert len(said) > 2


def elsewhere(browser: Browser, address: str) -> list[str]:
    """Requests that left the origin."""
    return [url for url in browser.requests if not url.startswith((address, "about:", "data:", "blob:"))]


@pytest.mark.slow
def test_the_page_of_a_demo_has_every_part_filled_and_anybody_can_read_it(
    demo_output: str, demo_folder: Path, browser: Callable[..., Browser]
) -> None:
    assert demo_output
    child = Child("--home", ".coattail-demo", "live", "--port", "0", folder=demo_folder)
    try:
        address = child.line_with("live: http").split("live: ")[1].split()[0]
        wide = see(browser(height=3000), address)
        assert [wide.ask(f"document.querySelectorAll('h2')[{n + 1}].innerText") for n in range(6)] == list(SECTIONS)
        assert text(wide, "#word") == "engine stopped"
        assert not wide.ask("document.getElementById('simulated').hidden")
        assert wide.ask("document.querySelectorAll('#feed > li').length") >= 12
        assert wide.ask("document.querySelectorAll('#charts .plot-container').length") >= 7
        assert wide.ask("document.querySelectorAll('#pairs .plot-container').length") >= 3
        assert wide.ask("document.querySelectorAll('#large tbody tr').length") >= 4
        assert "landed + 0 rejected + 0 duplicates" in text(wide, "#system")
        assert "bursts" in text(wide, "#scores")
        assert "fired 6 times" in text(wide, "#feed")
        assert "Not financial advice" in text(wide, "footer")
        assert violations(wide) == []
        wide.ask("document.querySelector('a.why[aria-label*=\"volume spike\"]').click()")
        wide.wait_for("document.querySelector('#why pre') && !document.querySelector('#why figure').hidden")
        assert "coattail explain" in text(wide, "#why pre")
        assert violations(wide) == []
        assert "alert=" in wide.ask("location.search")

        wide.ask("document.querySelector('#why .close').click()")
        wide.ask("document.querySelector('a.why[aria-label*=\"spread divergence\"]').click()")
        wide.wait_for("document.querySelector('#why pre') && !document.querySelector('#why figure').hidden")
        assert text(wide, "#why figcaption") == "The spread between the two venues"

        phone = see(browser(width=360, height=4000, dark=True), address)
        assert phone.ask("document.documentElement.scrollWidth") <= 360
        assert phone.ask("document.querySelectorAll('#charts .plot-container').length") == 1
        assert violations(phone) == []
        phone.ask("document.querySelectorAll('#tabs button')[1].click()")
        phone.wait_for("document.querySelectorAll('.chart.chosen .plot-container').length === 1")
        for one in (wide, phone):
            assert one.complaints == []
            assert elsewhere(one, address) == []
    finally:
        child.end(2)


def test_updates_arrive_and_do_not_move_what_is_read(page: LivePage, browser: Callable[..., Browser]) -> None:
    page.fill()
    open_page = see(browser(), page.start() + "?every=1")
    assert text(open_page, "#word") == "live"
    assert open_page.ask("document.querySelectorAll('#feed > li').length") == 20
    page.put([numbered(900, detected_at=NEWEST, severity="critical")])
    open_page.wait_for("document.querySelectorAll('#feed > li').length === 21")
    assert "1 new alert; the newest: critical" in text(open_page, "#said")
    open_page.ask("document.hasFocus = () => false")
    page.put([numbered(903, detected_at=NEWEST)])
    open_page.wait_for("document.title === '(1) coattail live'")
    open_page.ask("window.dispatchEvent(new Event('focus'))")
    assert open_page.ask("document.title") == "coattail live"
    open_page.ask("document.querySelector('#feed a.why').focus()")
    first = text(open_page, "#feed > li")
    page.put([numbered(901, detected_at=NEWEST), numbered(902, detected_at=NEWEST)])
    open_page.wait_for("document.getElementById('fresh').innerText === '2 new, show'")
    assert text(open_page, "#feed > li") == first
    open_page.ask("document.getElementById('fresh').click()")
    assert open_page.ask("document.querySelectorAll('#feed > li').length") == 24
    open_page.call("Input.dispatchKeyEvent", type="keyDown", key="p", text="p")
    open_page.wait_for("document.getElementById('word').innerText === 'paused'")
    asked = len(open_page.requests)
    open_page.call("Runtime.evaluate", expression="new Promise(go => setTimeout(go, 1500))", awaitPromise=True)
    assert len(open_page.requests) == asked
    open_page.ask("document.getElementById('pause').click()")
    open_page.wait_for("document.getElementById('word').innerText === 'live'")
    assert open_page.complaints == []


def test_a_chart_that_was_zoomed_stays_so_when_it_changes(page: LivePage, browser: Callable[..., Browser]) -> None:
    page.fill()
    shown = see(browser(height=2000), page.start() + "?every=1")
    plot = "document.querySelector('#charts .plot')"
    at = json.loads(shown.ask(f"JSON.stringify({plot}.getBoundingClientRect())"))
    for kind, share in (("mousePressed", 0.3), ("mouseMoved", 0.4), ("mouseMoved", 0.6), ("mouseReleased", 0.6)):
        place = {"x": at["x"] + at["width"] * share, "y": at["y"] + 40}
        shown.call("Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1, **place)
    look = f"JSON.stringify({plot}.layout.xaxis.range)"
    shown.wait_for(f"{plot}.layout.xaxis.autorange === false")
    zoomed, drawn = shown.ask(look), shown.ask(f"{plot}.drawn")
    fact = symbol_fact("BTC-USDT")
    changed = [replace(one, measured=[7.0] * 60) for one in fact.windows]
    page.store.put_facts({SYMBOL + "BTC-USDT": replace(fact, windows=changed)}, now=page.source().clock())
    shown.wait_for(f"{plot}.drawn !== {json.dumps(drawn)}")
    assert shown.ask(look) == zoomed


def test_no_answer_keeps_what_was_there_and_says_so_and_an_engine_that_stopped_is_named(
    page: LivePage, browser: Callable[..., Browser]
) -> None:
    page.fill()
    shown = see(browser(), page.start() + "?every=1")
    page.stop()
    shown.wait_for("document.getElementById('word').innerText === 'no answer'")
    assert "What you see is from" in text(shown, "#notice")
    assert shown.ask("document.querySelectorAll('#feed > li').length") == 20
    page.engine_runs = False
    page.start()
    shown.wait_for("document.getElementById('word').innerText === 'engine stopped'")
    assert "coattail demo --live" in text(shown, "#notice")
    page.engine_runs = True
    shown.wait_for("document.getElementById('word').innerText === 'live'")
    assert shown.ask("document.getElementById('notice').hidden")
    assert {said for said in shown.complaints if "ERR_CONNECTION_REFUSED" not in said} == set()


def test_after_half_a_minute_without_an_answer_what_is_shown_is_grey(
    page: LivePage, browser: Callable[..., Browser]
) -> None:
    page.fill()
    shown = see(browser(), page.start() + "?every=1")
    page.stop()
    shown.wait_for("document.getElementById('word').innerText === 'no answer'")
    assert not shown.ask("document.documentElement.classList.contains('old')")
    shown.ask("(() => { const now = Date.now; Date.now = () => now() + 31e3; })()")
    shown.wait_for("document.documentElement.classList.contains('old')")


def test_a_hidden_page_asks_nothing_and_asks_at_once_when_it_is_back(
    page: LivePage, browser: Callable[..., Browser]
) -> None:
    page.fill()
    shown = see(browser(), page.start() + "?every=1")
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
    shown.ask(hide % "true" + ";document.dispatchEvent(new Event('visibilitychange'))")
    shown.ask("window.before = document.documentElement.dataset.refreshes")
    asked = len(shown.requests)
    shown.call("Runtime.evaluate", expression="new Promise(go => setTimeout(go, 1500))", awaitPromise=True)
    assert len(shown.requests) == asked
    shown.ask(hide % "false" + ";document.dispatchEvent(new Event('visibilitychange'))")
    shown.wait_for("document.documentElement.dataset.refreshes !== window.before")


def test_no_markup_that_comes_as_data_is_alive(page: LivePage, browser: Callable[..., Browser]) -> None:
    assert len(PAYLOADS) == 60
    page.fill(0)
    page.store.put_facts(
        {SYMBOL + "BTC-USDT": symbol_fact("BTC-USDT", PAYLOADS[10:13]), SYMBOL + "ETH-USDT": hostile_fact()},
        now=page.source().clock(),
    )
    page.put(
        [
            numbered(2 * n, message=payload, exchange=PAYLOADS[10], module_id=payload, alert_type=payload,
                     severity="high", symbol=("BTC-USDT", payload)[n % 2], preset=payload,
                     details=json.dumps({"fired": payload, payload: payload}))
            for n, payload in enumerate(PAYLOADS)
        ]
    )  # fmt: skip
    shown = see(browser(height=2000), page.start())
    first = shown.ask("document.querySelector('a.why').href")
    for plot in (0, 1):
        hover(shown, f"document.querySelectorAll('#charts .plot')[{plot}]")
    shown.ask("[...document.querySelectorAll('a.why')].find(a => a.ariaLabel.endsWith('BTC-USDT')).click()")
    shown.wait_for("document.querySelector('#why pre') && !document.querySelector('#why figure').hidden")
    shown.wait_for("document.querySelector('#why .plot-container') !== null")
    hover(shown, "document.querySelector('#why .plot')")
    alive = (
        "img, iframe, script:not([src]), base, form:not(#filters), link:not([rel=icon]):not([rel=stylesheet]), svg a"
    )
    assert shown.ask(f"document.querySelectorAll({alive!r}).length") == 0
    assert shown.ask("[...document.links].filter(a => a.origin !== location.origin).length") == 0
    assert (
        shown.ask(
            "[...document.querySelectorAll('*')].filter(e => e.getAttributeNames().some(n => /^on/.test(n))).length"
        )
        == 0
    )
    assert shown.ask("typeof owned") == "undefined"
    assert shown.ask("location.href").startswith(first.split("?")[0])
    assert "<img src=x onerror=owned()>" in text(shown, "#feed")
    assert (shown.complaints, elsewhere(shown, page.address)) == ([], [])


@pytest.mark.parametrize("alerts", [0, 10_000])
def test_nothing_at_all_and_ten_thousand_alerts(page: LivePage, browser: Callable[..., Browser], alerts: int) -> None:
    if alerts:
        page.fill(alerts)
    shown = see(browser(), page.start())
    if alerts:
        assert shown.ask("document.querySelectorAll('#feed > li').length") == 50
        assert "Older ones: coattail alerts" in text(shown, "#more")
        assert text(shown, ".tiles .value") == "10,000"
    else:
        assert text(shown, "#word") == "nothing here yet"
        assert "coattail demo --live" in text(shown, "#notice")
        assert "No alerts" in text(shown, "#more")
    assert (violations(shown), shown.complaints) == ([], [])


def test_filters_stand_in_the_address_and_come_from_it(page: LivePage, browser: Callable[..., Browser]) -> None:
    page.fill()
    shown = see(browser(), page.start() + "?symbol=BTC-USDT&severity=high")
    assert set(shown.ask("[...document.querySelectorAll('#feed .severity')].map(e => e.innerText)")) == {
        "high",
        "critical",
    }
    assert shown.ask("document.querySelectorAll('#charts figure').length") == 1
    shown.ask(
        "(s => { s.value = ''; s.dispatchEvent(new Event('change', {bubbles: true})); })(document.forms[0].symbol)"
    )
    shown.wait_for("document.querySelectorAll('#charts figure').length === 2")
    assert shown.ask("location.search") == "?severity=high"
    shown.ask("document.getElementById('clear').click()")
    shown.wait_for("document.querySelectorAll('#feed > li').length === 20")
    shown.ask("history.back()")
    shown.wait_for("location.search === '?severity=high' && document.querySelectorAll('#feed > li').length === 10")
    see(shown, page.address + "?symbol=NONE-USD", "document.documentElement.dataset.refreshes !== undefined")
    shown.wait_for("document.getElementById('others').innerText === 'There are no trades of NONE-USD here.'")


def test_files_alone_are_a_page_too(page: LivePage, browser: Callable[..., Browser], tmp_path: Path) -> None:
    page.fill()
    folder = tmp_path / "public"
    written = WrittenPage(page.source(), folder)
    written.write()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    threading.Thread(target=server.serve_forever).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/"
        shown = see(browser(), address + "?every=1&severity=high")
        assert text(shown, "#word") == "live"
        assert shown.ask("document.querySelectorAll('#feed > li').length") == 10
        shown.ask("document.querySelector('a.why').click()")
        shown.wait_for("document.querySelector('#why pre') !== null")
        page.put([numbered(900, detected_at=NEWEST, severity="critical")])
        written.write()
        shown.wait_for("document.querySelectorAll('#feed > li').length === 11")
        shown.ask("(() => { const now = Date.now; Date.now = () => now() + 61e3; })()")
        shown.wait_for("document.getElementById('word').innerText === 'no answer'")
        written.write(None)
        shown.wait_for("document.getElementById('word').innerText === 'a still'")
        assert (shown.complaints, elsewhere(shown, address)) == ([], [])
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_demo_goes_on_on_the_page(spawn: Callable[..., Child]) -> None:
    running = spawn("demo", "--live", "--port", "0")
    address = running.line_with("The live page: ").split()[3]
    running.line_with("Now the market goes on until Ctrl-C")

    def alerts() -> int:
        with urlopen(f"{address}health", timeout=20) as answer:
            said = json.load(answer)
        return sum(said["alerts_24h"].values()) if said["status"] == "live" and said["simulated"] else 0

    until(lambda: alerts() >= 12)
    done = running.end(signal.SIGINT)
    assert (done.code, done.err) == (0, "")
    assert "planted anomalies" in done.out


def test_a_home_that_an_older_version_left_is_prepared_once(
    market_folder: Path, run: Callable[..., Done], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert run("--home", home, "replay", market_folder).code == 0
    with sqlite3.connect(home / "hot.db") as hot:
        hot.execute("DELETE FROM facts WHERE name = 'market' OR name LIKE 'symbol:%'")
    hot.close()
    first = run("--home", home, "live", "--static", "public", "--once")
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("no engine has prepared this home")
    assert json.loads(Path("public/data/symbols.json").read_text())["count"] > 0
    again = run("--home", home, "live", "--static", "public", "--once")
    assert (again.code, again.out) == (0, "public/index.html: the page, with its data beside it\n")


def test_where_no_engine_can_prepare_a_home_the_page_is_there_and_it_is_said(
    undisturbed: Path, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise HomeError("the home cannot be written", next_step="look at its permissions")

    monkeypatch.setattr("coattail.workspace.serving.unsaid", lambda *_: True)
    monkeypatch.setattr("coattail.workspace.serving.say", refuse)
    done = run("--home", undisturbed, "live", "--static", "public", "--once")
    assert done.code == 0
    assert "note: it could not (the home cannot be written" in done.out
    assert Path("public/index.html").exists()


def test_without_javascript_the_page_names_the_commands(page: LivePage, browser: Callable[..., Browser]) -> None:
    shown = browser()
    shown.call("Emulation.setScriptExecutionDisabled", value=True)
    shown.call("Page.navigate", url=page.start())
    shown.wait_for("location.protocol === 'http:' && document.readyState === 'complete'")
    assert "coattail report day --light" in text(shown, "body")
    assert "Price and volume" not in text(shown, "body")


def test_a_mistake_is_one_line(undisturbed: Path, run: Callable[..., Done]) -> None:
    assert "--once is for files" in run("--home", undisturbed, "live", "--once").err
    assert "leave out --open" in run("--home", undisturbed, "live", "--static", "a", "--open").err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--home", undisturbed, "live", "--port", taken.getsockname()[1])
    assert (done.code, "in use" in done.err) == (2, True)
    Path("index.html").write_text("mine")
    assert "is another page" in run("--home", undisturbed, "live", "--static", ".", "--once").err
