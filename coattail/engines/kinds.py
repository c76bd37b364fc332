"""The engines by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coattail.errors import UsageError

if TYPE_CHECKING:
    from coattail.engines.engine import Engine

ENGINES = ("local", "spark")


def engine_class(name: str) -> type[Engine]:
    """The class of an engine; only the engine asked for is imported.

    Raises: UsageError: If there is none of that name. SparkError: If PySpark is missing.
    """
    if name == "local":
        from coattail.engines.local import LocalEngine

        return LocalEngine
    if name == "spark":
        from coattail.engines.spark import SparkEngine

        return SparkEngine
    raise UsageError(f"unknown engine {name!r}", next_step=f"choose one of: {', '.join(ENGINES)}")
