"""What people ask of stored trades: the alerts again, the alerts under other settings, and how good they are.

- `settings`   what is asked to change, as settings
- `reprocess`  the alerts of a snapshot recomputed, compared, kept or promoted
- `what_if`    the same without writing, and one parameter at several values
- `score`      detectors held against a market whose truth is known
"""
