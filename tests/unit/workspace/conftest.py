"""An empty home, and a lake with alerts of many days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from coattail.alerts import Alert
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.current import alert_frame
from coattail.stores.lake import Lake
from coattail.tables import ALERTS
from tests.harness.alerts import NOW


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home", create=True)


@pytest.fixture
def commit(home: Home) -> Callable[[Sequence[Alert]], None]:
    """Puts alerts into the table `anomaly_alerts` alone, as one commit."""

    def write(alerts: Sequence[Alert]) -> None:
        lake = Lake(embedded(home.path))
        lake.commit(ALERTS, lake.write(ALERTS, alert_frame(alerts, NOW)), {"through": "1"})
        lake.close()

    return write
