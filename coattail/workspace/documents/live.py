"""How a live producer is doing: its state as a document, and in words with what the engine says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from coattail.amounts import count
from coattail.producer.journal import ExchangeState as ExchangeState
from coattail.producer.journal import InstrumentState as InstrumentState
from coattail.producer.journal import LineState as LineState
from coattail.producer.journal import ProducerState as ProducerState


def producer_words(state: ProducerState) -> str:
    """A producer in one line."""
    lines = [line for exchange in state.exchanges for line in exchange.lines]
    instruments = [instrument for exchange in state.exchanges for instrument in exchange.instruments]
    open_lines = sum(line.state == "listening" for line in lines)
    said = [f"{state.sent:,} trades sent", f"{open_lines} of {len(lines)} connections open"]
    for number, words in (
        (sum(line.reconnects for line in lines), "reconnects"),
        (sum(i.refilled for i in instruments), "missed and fetched"),
        (sum(i.missing for i in instruments), "missing now"),
        (sum(i.lacking for i in instruments), "lost at the exchange"),
        (state.failed, "appends made again"),
    ):
        said += [f"{number:,} {words}"] if number else []
    return "; ".join([", ".join(said), *problems(state)])


def problems(state: ProducerState) -> list[str]:
    """What a person should know of each exchange that is not well."""
    found = []
    for exchange in state.exchanges:
        down = [line.problem for line in exchange.lines if line.state != "listening" and line.problem]
        refused = [line.refused for line in exchange.lines if line.refused]
        found += [f"{exchange.exchange}: {said}" for said in (down or refused or [exchange.problem])[:1] if said]
    return found


def engine_words(state: Mapping[str, Any]) -> str:
    """What an engine says every second (`coattail land --json`), in one line."""
    from coattail.stores.totals import quality_score

    score = quality_score(state["landed"], state["rejected"])
    closed = f", judged up to {datetime.fromisoformat(state['watermark']):%H:%M:%S}" if state["watermark"] else ""
    quality = "" if score is None else f", quality {score:.2f} %"
    waiting = f", {state['waiting_bytes'] / 1e6:,.1f} MB wait" if state["waiting_bytes"] else ""
    return (
        f"landed {state['landed']:,} in all, rejected {state['rejected']:,}, duplicates {state['duplicates']:,}"
        f"{quality}{closed}{waiting}, {count(state['alerts'], 'alert')} in this run"
    )
