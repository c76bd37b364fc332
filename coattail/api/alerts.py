"""Alerts out of the hot store: a page of them, and one with what it was computed from."""

from __future__ import annotations

import difflib
import re

import msgspec

from coattail.api.asked import TYPES, AlertsAsked, refuse_times
from coattail.api.refusal import Refusal, wrong
from coattail.api.source import HotSource
from coattail.api.symbols import meant, refuse
from coattail.api.why import why
from coattail.records import micros
from coattail.stores.hot import HotStore, StoredAlert
from coattail.workspace.documents.alerts import alert_document
from coattail.workspace.documents.explained import EvidenceDocument
from coattail.workspace.documents.serving import (
    AlertDetailDocument,
    SaidRevisionDocument,
    ServedAlertsDocument,
    WhyDocument,
)

_ID = re.compile(r"[0-9a-f]{12,32}", re.ASCII)
_WHOLE = 32


def page(source: HotSource, hot: HotStore, query: AlertsAsked) -> ServedAlertsDocument:
    """The page asked for.

    Raises: Refusal: If a time lies in the future, or nothing is found and the type, symbol or exchange is unknown.
    """
    now = source.clock()
    refuse_times(query, lambda: source.newest(hot), now)
    symbol = None if query.symbol is None else meant(source, hot, query.symbol)
    found = hot.page(query.wanted(symbol), limit=query.limit + 1, now=now)
    if not found:
        _refuse_unknown(source, hot, query)
    shown, more = found[: query.limit], len(found) > query.limit
    complete = hot.complete(now=now)
    return ServedAlertsDocument(
        alerts=[alert_document(stored.alert, stored.recorded_at) for stored in shown],
        count=len(shown),
        has_more=more,
        next_cursor=_cursor(shown[-1]) if more else None,
        newest_recorded_at=max((stored.recorded_at for stored in shown), default=None),
        known=complete is not None,
        complete_after=None if complete is None else complete.after,
    )


def _refuse_unknown(source: HotSource, hot: HotStore, query: AlertsAsked) -> None:
    """Refuse a type that no detector of this version raises and no alert bears, and an exchange without trades."""
    known = sorted({*TYPES, *(count.alert_type for count in source.tally(hot))})
    if query.type is not None and query.type not in known:
        near = difflib.get_close_matches(query.type, known, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        said, step = f"type {query.type!r} is unknown", f"{meant}known: {', '.join(known)}"
        raise Refusal(404, "unknown_type", said, next_step=step, field="type")
    if query.exchange is not None:
        market = source.market(hot)
        refuse("exchange", query.exchange.lower(), [venue.exchange for venue in market.venues] if market else ())


def _cursor(last: StoredAlert) -> str:
    return f"{micros(last.alert.detected_at)}.{last.alert.alert_id}"


def detail(source: HotSource, hot: HotStore, given: str) -> AlertDetailDocument:
    """The alert whose id begins so.

    Raises: Refusal: If that is no id, or there is none, or several, or its time in the hot store is over.
    """
    beginning = given.strip().lower()
    if not _ID.fullmatch(beginning):
        raise wrong("alert_id", f"{given[:40]!r} is not the id of an alert", next_step="give 12 to 32 hex digits of it")
    identity, now = _whole(source, hot, beginning), source.clock()
    stored = hot.alert(identity, now=now)
    if stored is None:
        gone = bool(hot.revisions(identity))
        said = f"alert {beginning} was here, and is kept for a day only" if gone else f"no alert {beginning} is here"
        raise Refusal(
            410 if gone else 404, "expired" if gone else "not_found", said, field="alert_id",
            next_step=f"alerts stay in the tables: run `coattail explain {beginning}` where these are",
        )  # fmt: skip
    alert = alert_document(stored.alert, stored.recorded_at)
    evidence = None if stored.alert.evidence is None else _evidence(stored.alert.evidence)
    return AlertDetailDocument(
        alert=alert,
        evidence=evidence,
        revisions=[
            SaidRevisionDocument(
                revision=said.revision, status=said.status, severity=said.severity, message=said.message,
                recorded_at=said.recorded_at,
            )
            for said in hot.revisions(identity)
        ],
        explain=WhyDocument(sentences=why(alert, evidence), command=f"coattail explain {identity[:12]}"),
    )  # fmt: skip


def _whole(source: HotSource, hot: HotStore, beginning: str) -> str:
    """The id that begins so; itself where none does."""
    if len(beginning) == _WHOLE:
        return beginning
    found = hot.ids(beginning, limit=2, now=source.clock())
    if len(found) > 1:
        said, step = f"several alerts begin with {beginning}", "give more of its digits"
        raise Refusal(409, "ambiguous", said, next_step=step, field="alert_id")
    return found[0] if found else beginning


def _evidence(text: str) -> EvidenceDocument:
    return msgspec.json.decode(text, type=_Kept)


class _Kept(EvidenceDocument, frozen=True, kw_only=True):
    """Evidence as it was written: older versions kept no rules."""

    rules: int | None = None
