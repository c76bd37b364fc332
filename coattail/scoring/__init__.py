"""How good detectors are: held against markets whose truth is known, recorded events, and chance.

`evaluation` gathers facts and truth, `cards` counts, `curves` sweeps thresholds, `what_if` asks the trades of a home.
`reduced`, `recorded`, `labels` and `announced` make evidence of recordings and of lists of events, and `recorded_cards`
counts. Rules of matching stand in `coattail.market.matching` alone.
"""
