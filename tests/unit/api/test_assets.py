"""The page's files: named by what is in them, and what plotly.js needs under the page's policy."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from coattail.api.app import make_app
from coattail.api.assets import POLICY, assets, is_page
from coattail.api.pages import add_page
from coattail.api.source import HotSource
from coattail.api.written import WrittenPage
from coattail.errors import StoreError, UsageError
from coattail.stores.hot_sqlite import SqliteHotStore
from tests.harness.asgi import ask
from tests.harness.served import NOW, fill


@pytest.fixture
def source(tmp_path: Path) -> HotSource:
    store = SqliteHotStore(tmp_path / "hot.db")
    fill(store, 5)
    store.close()
    return HotSource(lambda: SqliteHotStore(tmp_path / "hot.db", writable=False), clock=lambda: NOW)


def test_each_file_is_named_by_what_is_in_it_and_unpacks_to_it() -> None:
    files = assets()
    page = files["index.html"].content.decode()
    for name, asset in files.items():
        assert gzip.decompress(asset.gzipped) == asset.content
        if name != "index.html":
            assert asset.tag in name
            assert page.count(f'"{name}"') == 1
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', page)) == set(files) - {"index.html"}
    assert POLICY in page
    assert not re.search(r"\son\w+=|<script(?! defer src)|<style|style=|MARK", page)


def test_what_plotly_would_put_into_style_elements_is_there_already() -> None:
    files = assets()
    page = files["index.html"].content.decode()
    plotly = next(asset.content.decode() for name, asset in files.items() if name.startswith("plotly"))
    made = re.findall(r'createElement\("style"\).{0,40}', plotly)
    assert len(made) == 2
    named = re.search(r'createElement\("style"\);e\.id="(\w+)"', plotly)
    assert named is not None
    assert f'id="{named[1]}"' in page
    assert 'class="no-inline-styles" id="plotly.js-style-global"' in page


def test_the_page_comes_with_its_policy_and_lasting_names(source: HotSource) -> None:
    app = make_app(source)
    add_page(app)
    found = ask(app, "/", headers={"accept-encoding": "gzip"})
    assert (found.status, found.headers["content-encoding"], found.headers["cache-control"]) == (
        200,
        "gzip",
        "no-cache",
    )
    assert found.headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'none'"
    assert ask(app, "/", headers={"if-none-match": found.headers["etag"]}).status == 304
    for name, asset in assets().items():
        if name != "index.html":
            answer = ask(app, f"/{name}")
            assert (answer.body, answer.headers["content-type"]) == (asset.content, asset.kind)
            assert "immutable" in answer.headers["cache-control"]
    assert ask(app, "/alerts?limit=1").json["count"] == 1
    assert "/" not in ask(app, "/openapi.json").json["paths"]


def test_files_are_written_only_where_they_change_and_old_alerts_go(source: HotSource, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "public"
    page = WrittenPage(source, folder)
    page.write()
    assert is_page(folder / "index.html")
    alerts = sorted((folder / "data" / "alerts").iterdir())
    assert len(alerts) == 5
    gone = folder / "data" / "alerts" / f"{'0' * 32}.json"
    mine = folder / "data" / "alerts" / "mine.txt"
    gone.write_text("{}")
    mine.write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}
    page.write(None)
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}
    assert {path.name for path in before if after.get(path) != before[path]} == {gone.name, "written.json"}
    assert mine.exists()
    assert '"every_seconds":null' in (folder / "data" / "written.json").read_text()
    assert [path.name for path in folder.rglob("*.tmp")] == []


def test_a_page_of_somebody_else_stays_and_a_folder_that_cannot_be_is_said(source: HotSource, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>mine</title>")
    with pytest.raises(UsageError, match="is another page; choose a folder of its own"):
        WrittenPage(source, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        WrittenPage(source, tmp_path / "file" / "folder").write()
