"""Why an alert was raised, and whether it still comes out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from coattail.workspace.opening import Stores

if TYPE_CHECKING:
    from coattail.engines.explain import Explained


def explain(stores: Stores, identity: str, *, now: datetime | None = None) -> Explained:
    """The alert whose id begins so, what it was computed from, and what the tables give now.

    Raises: UsageError: If no alert's id begins so, or several do. StoreError: If its detector is unknown here.
    """
    from coattail.engines.explain import Explainer

    explainer = Explainer(stores.lake, stores.hot, stores.settings, now=now or datetime.now(UTC))
    return explainer.explain(explainer.identified(identity))
