"""How good detectors are: held against markets whose truth is known, and against chance.

`evaluation` gathers facts and truth, `cards` counts, `curves` sweeps thresholds, `what_if` asks the trades of a home.
Rules of matching stand in `coattail.market.matching` alone.
"""
