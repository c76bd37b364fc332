"""What people ask of a home, as typed functions over its stores: nothing prints, nothing decides an exit code.

The command line, notebooks and servers stand above these rooms and say the same, because they all ask here:

- `opening`     home -> settings, lake, hot store, dead letters
- `bound`       `Workspace`: all of these for one home, as notebooks use them; `answering` is a part of it
- `alerts`      which alerts there are, page by page, and what changes from now on; `page` is one
- `coverage`    which trade ids are here and which are missing; `quality` how much was good; `letters` what was rejected
- `replies`     mute and acknowledge; `notify` what is sent to people, and how that fares
- `state`       the state of a home; `past` a table's snapshots and tags, and what AS OF means
- `windows`     what detectors measured: volumes, spreads, large orders
- `lags`        how late trades arrived
- `queries`     SQL; `explained` why an alert was raised
- `times`       times as people give them; `arguments` the rest of what a notebook gives; `text` words for people
- `documents/`  the JSON forms, each defined once as a msgspec Struct
- `landing`     recordings and the stream -> what landed; `standing` keeps the alerts of a run
- `questions/`  reprocess, what-if, score
- `health`      checks of the installation and of a home, and repair
- `upkeep`      maintenance, the forecast, the schema drill
- `submitting`  jobs: hand over, look, cancel; `tasks` says which there are, `doing` does them in a process `at_work`;
  `rehearsal` is a home to try them on
- `exports`     rows for other programs
- `report`      a day on one page; `daily` its whole work
- `simulated`, `demo`  a simulated market; `exchange` serves one, or recordings, to any client
- `shown`       what answers look like, printed and in a notebook
- `progress`    how far something has come, for whatever shows it

A room takes `Stores` and returns a frame or a small Struct of `documents`.
"""
