"""The live page as files that any static host serves: the page once, what it shows as JSON, again and again."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import msgspec

from coattail.api import alerts, health, metrics
from coattail.api.asked import AlertsAsked
from coattail.api.assets import assets, is_page
from coattail.api.source import HotSource
from coattail.errors import StoreError, UsageError
from coattail.workspace.documents.conventions import encoded

EVERY = timedelta(seconds=10)
"""How often the page asks for them."""
_MOST_ALERTS = 200
_ALERT_FILE = re.compile(r"[0-9a-f]{32}\.json")


class WrittenPage:
    """The page and its data in a folder: index.html and data/*.json, named as the API's paths.

    Each file is replaced in one step, and only where it changed; `data/written.json` comes last and says when. The
    folder is made. Other files in it stay as they are.
    Raises: UsageError: If an index.html is there that is no such page. StoreError: If it cannot be written.
    """

    def __init__(self, source: HotSource, folder: Path) -> None:
        self._source, self._folder = source, folder
        self._known: dict[str, bytes] = {}
        """Name -> what was written there last."""
        index = folder / "index.html"
        try:
            if index.exists() and not is_page(index):
                raise UsageError(f"{index} is another page", next_step="choose a folder of its own")
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, every: timedelta | None = EVERY) -> None:
        """Write what has changed. every: When the next time comes, for whoever reads; None: never.

        Raises: StoreError: If a file cannot be written. Refusal: If the hot store cannot be read.
        """
        source, names = self._source, set[str]()
        with source.reading() as hot:
            page = alerts.page(source, hot, AlertsAsked(limit=_MOST_ALERTS))
            symbols = metrics.symbols(source, hot)
            documents: dict[str, msgspec.Struct] = {
                "alerts": page, "symbols": symbols, "health": health.health(source, hot),
                **{f"alerts/{one.alert_id}": alerts.detail(source, hot, one.alert_id) for one in page.alerts},
                **{f"metrics/{one.symbol}": metrics.metrics(source, hot, one.symbol) for one in symbols.symbols},
            }  # fmt: skip
        try:
            for name, asset in assets("files").items():
                self._put(name, asset.content)
            for name, document in documents.items():
                self._put(f"data/{name}.json", encoded(document))
                names.add(f"{name.rpartition('/')[2]}.json")
            for old in (self._folder / "data" / "alerts").glob("*.json"):
                if _ALERT_FILE.fullmatch(old.name) and old.name not in names:
                    old.unlink(missing_ok=True)
            written = {"at": source.clock(), "every_seconds": None if every is None else every.total_seconds()}
            self._put("data/written.json", encoded(written))
        except OSError as error:
            raise self._unwritable(error) from error

    def _put(self, name: str, content: bytes) -> None:
        if self._known.get(name) == content:
            return
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(content)
        os.replace(temporary, path)
        self._known[name] = content

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self._folder} cannot be written ({error.strerror or error})",
            next_step="check the folder, its permissions and the disk",
        )
