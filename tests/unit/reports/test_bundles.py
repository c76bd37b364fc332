"""plotly.js as it lies in the package: what it is, and when another is needed."""

import sys
import zlib
from collections.abc import Iterator

import pytest

from coattail.reports.bundles import FILE, HASH, KINDS, VERSION, bundle_for, hash_of, small, whole


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    whole.cache_clear()
    yield
    whole.cache_clear()


def test_the_bundle_is_the_one_whose_hash_stands_here_with_its_licence_beside_it() -> None:
    text = zlib.decompress(FILE.read_bytes(), -zlib.MAX_WBITS)
    assert hash_of(text) == HASH
    assert f"plotly.js (finance - minified) v{VERSION}".encode() in text[:200]
    assert b"\r" not in text, "a browser would read other text than was hashed"
    assert FILE.with_name("plotly-finance.LICENSE").read_text().startswith("MIT License")
    assert all(f'moduleType:"trace",name:"{kind}"'.encode() in text for kind in KINDS)


def test_the_bundle_is_of_the_same_version_as_the_package_that_figures_are_made_with() -> None:
    from plotly.offline import get_plotlyjs_version

    assert get_plotlyjs_version().split(".")[:2] == VERSION.split(".")[:2]


def test_the_whole_of_plotly_is_taken_only_for_what_the_bundle_does_not_draw() -> None:
    assert bundle_for({"scatter", "candlestick"}) is small()
    before = set(sys.modules)
    found = bundle_for({"scatter", "heatmap"})
    assert found is not None
    assert found.hash != HASH
    assert len(small().base64) < 580_000 < len(found.base64) < 2_100_000
    assert "plotly" not in sys.modules.keys() - before


def test_without_plotly_there_is_no_bundle_for_what_only_it_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert bundle_for({"heatmap"}) is None
    assert bundle_for({"scatter"}) is small()
