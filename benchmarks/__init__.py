"""Measurements against the budgets of the design and against what a user would take instead: `make bench`."""
