"""Step 4 of 7: records in, checked trades, bars, large orders and the continuity ledger out. Pure functions."""

from coattail.landing.checks import Action, Check, Checks, Reason
from coattail.landing.coverage import Coverage
from coattail.landing.kernel import Landed, land

__all__ = ["Action", "Check", "Checks", "Coverage", "Landed", "Reason", "land"]
