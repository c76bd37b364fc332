"""How good detectors are: held against markets whose truth is known, against chance, and against public labels.

`evidence` gathers facts and truth, `cards` counts, `curves` sweeps thresholds, `nab` reads a public benchmark, `audit`
looks for peeking, `what_if` asks the trades of a home. Rules of matching stand in `coattail.market.matching` alone.
"""
