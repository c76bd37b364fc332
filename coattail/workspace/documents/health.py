"""What `coattail doctor` finds."""

from __future__ import annotations

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "note", "broken"]
    detail: str
    remedy: str | None = None
    """What to do about it; None where nothing is to be done."""


class HealthDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The installation and a home."""

    healthy: bool
    """Whether nothing is broken."""
    findings: list[Finding]
    repaired: list[str]
    """What was repaired before, in sentences."""
