"""Beside the way of a trade: alerts that reach people, by a webhook, a command or a notification on the desktop.

A new kind of sink is one module and one line here. Each configured sink has a courier, which follows the hot store,
so an engine in another process is as good as one in this; what was sent to whom is kept in the home's `notify.db`.
"""

from __future__ import annotations

import difflib

from coattail.config import Settings
from coattail.errors import ConfigError
from coattail.notify.command import CommandSink
from coattail.notify.desktop import DesktopSink
from coattail.notify.sink import AlertSink
from coattail.notify.webhook import WebhookSink

SINKS: dict[str, type[AlertSink]] = {kind.kind: kind for kind in (WebhookSink, CommandSink, DesktopSink)}
"""Every kind of sink, by its name."""


def sinks_of(settings: Settings) -> tuple[AlertSink, ...]:
    """The sinks that the settings name, configured, in the order of their names.

    Raises: ConfigError: If a kind, a key, a type or an exchange is unknown, a value does not fit, a secret is missing,
    or a program that a sink needs is not here.
    """
    return tuple(_sink(settings, name) for name in sorted(settings.notify.sinks))


def _sink(settings: Settings, name: str) -> AlertSink:
    kind = settings.notify.sinks[name].get("kind")
    if kind not in SINKS:
        near = difflib.get_close_matches(str(kind), SINKS, n=1, cutoff=0.4)
        raise ConfigError(
            f"notify.sinks.{name}.kind {'is missing' if kind is None else f'{kind!r} is unknown'}",
            next_step=(f"did you mean {near[0]}? " if near else "") + f"known: {', '.join(SINKS)} (docs/NOTIFY.md)",
        )
    made = SINKS[str(kind)](**{**settings.sink(name, SINKS[str(kind)]), "name": name})
    if made.types or made.exchanges:
        _check_names(made)
    return made


def _check_names(sink: AlertSink) -> None:
    from coattail.connectors import CONNECTORS
    from coattail.detectors import ALERT_TYPES

    for key, names, known in (("types", sink.types, ALERT_TYPES), ("exchanges", sink.exchanges, CONNECTORS)):
        for name in names or ():
            if name not in known:
                raise sink.mistake(key, f"names {name!r}, which is unknown", f"known: {', '.join(known)}")
