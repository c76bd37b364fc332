"""axe-core 4.14.1 (https://github.com/dequelabs/axe-core, MPL-2.0, licence beside it): what it finds on a page."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

from tests.harness.browser import Browser

_FILE = Path(__file__).parent / "axe-core.js.deflate"
_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"


def source() -> str:
    """The text of axe.min.js, as npm has it, compressed here."""
    text = zlib.decompress(_FILE.read_bytes(), -zlib.MAX_WBITS)
    assert hashlib.sha256(text).hexdigest() == _SHA256
    return text.decode()


def violations(browser: Browser, *, least: tuple[str, ...] = ("serious", "critical")) -> list[str]:
    """`rule: element` of each violation of these impacts on the open page."""
    run = "axe.run(document, {resultTypes: ['violations']}).then(r => { window.axeFound = r.violations; })"
    browser.ask(f"{source()};window.axeFound = null;{run}")
    browser.wait_for("window.axeFound !== null")
    found = browser.ask("window.axeFound.flatMap(v => v.nodes.map(n => [v.impact, v.id, n.html.slice(0, 120)]))")
    return [f"{rule}: {element}" for impact, rule, element in found if impact in least]
