"""How the live producer of a home is doing, by what it writes down each second."""

from __future__ import annotations

from datetime import datetime, timedelta

from coattail.home import Home
from coattail.producer.journal import Journal, ProducerState
from coattail.workspace.documents.health import Finding
from coattail.workspace.documents.live import problems
from coattail.workspace.documents.state import ProducerDocument
from coattail.workspace.text import ago

_SILENT = timedelta(minutes=1)
"""It writes every second; after this long something is wrong."""


def state_of(home: Home) -> ProducerState | None:
    """What the live producer of a home wrote last; None where none ever ran, or nothing that this version reads."""
    return Journal(home.live_file).read()


def is_running(home: Home, state: ProducerState, now: datetime) -> bool:
    """Whether the producer that wrote this is still there."""
    return not state.stopped and (now - state.at < timedelta(seconds=10) or home.running_producer() is not None)


def producer(home: Home, *, now: datetime) -> ProducerDocument | None:
    """The producer in a few figures; None where none ever ran."""
    said = state_of(home)
    if said is None:
        return None
    lines = [line for exchange in said.exchanges for line in exchange.lines]
    instruments = [instrument for exchange in said.exchanges for instrument in exchange.instruments]
    return ProducerDocument(
        running=is_running(home, said, now),
        stopped=said.stopped,
        pid=said.pid,
        started=said.started,
        last_written=said.at,
        connections=len(lines),
        connections_open=sum(line.state == "listening" for line in lines),
        reconnects=sum(line.reconnects for line in lines),
        sent=said.sent,
        missing=sum(instrument.missing for instrument in instruments),
        fetched=sum(instrument.refilled for instrument in instruments),
        given_up=sum(instrument.lacking for instrument in instruments),
        problems=[] if said.stopped else problems(said),
    )


def finding(home: Home, *, now: datetime) -> Finding:
    """Whether the producer is well."""
    said = producer(home, now=now)
    if said is None:
        return Finding("producer", "ok", "none ran here yet")
    words = said.words(now)
    if not said.stopped and now - said.last_written >= _SILENT:
        if said.running:
            remedy = "look at its log, then stop it and run it again: it fetches what it missed"
            return Finding("producer", "broken", f"{words}: it has written nothing for a minute", remedy)
        remedy = "run it again: it fetches what was missed since then"
        return Finding("producer", "note", f"it did not end in order, {ago(now - said.last_written)}; {words}", remedy)
    if said.given_up:
        remedy = "they stay listed: coattail coverage --gaps; ask again with coattail backfill --gaps"
        return Finding("producer", "note", words, remedy)
    return Finding("producer", "ok", words)
