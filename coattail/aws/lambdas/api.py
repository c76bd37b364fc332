"""The API on AWS Lambda: events of API Gateway (HTTP API, payload 2.0) in, the answers of `coattail api` out.

Handler: `coattail.aws.lambdas.api.handler`. Environment: `COATTAIL_HOT_STORE`, the setting `hot.url` of those who
write it, or the SQLite file of a hot store. API Gateway decides who may ask and how often, so any Host is answered, and
nobody is counted. Nothing is streamed: an event has one answer. A test holds its answers against the server's.
"""

from __future__ import annotations

from pathlib import Path

from mangum import Mangum

from coattail.api.app import make_app
from coattail.api.guard import Access
from coattail.api.source import PATIENCE, HotSource
from coattail.aws.lambdas.invoked import HOT_STORE, variable
from coattail.stores.hot import HotStore
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.opening import hot_at


def hot_store() -> HotStore:
    """The store that the environment names.

    Raises: ConfigError: If it names none.
    """
    named = variable(HOT_STORE, "name a table in it, dynamodb://TABLE?region=…, or the file hot.db of a home")
    return hot_at(named) if "://" in named else SqliteHotStore(Path(named), writable=False, patience=PATIENCE)


def make_handler() -> Mangum:
    """What Lambda calls with an event and a context."""
    app = make_app(HotSource(hot_store), Access(hosts=("*",)))
    app.state.hub.close("nothing is streamed here")
    return Mangum(app, lifespan="off")


handler = make_handler()
