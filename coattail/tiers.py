"""How large a job of a tier is on EMR Serverless; which modules a tier runs, `config` reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from coattail.config import tier_document


@dataclass(frozen=True, kw_only=True)
class Workers:
    """One driver and the rest executors, all of one size."""

    count: int
    """Driver and executors."""
    vcpu: int
    """Of each."""
    memory_gb: int
    """Of each: the JVM's heap, and what Python has beside it."""

    @property
    def vcpus(self) -> int:
        """Of all."""
        return self.count * self.vcpu

    @property
    def memory_gbs(self) -> int:
        """Of all, in GB."""
        return self.count * self.memory_gb


@cache
def workers_of(tier: str) -> Workers:
    """The workers of a job of this tier. Raises: ConfigError: If there is no such tier."""
    return Workers(**tier_document(tier)["workers"])
