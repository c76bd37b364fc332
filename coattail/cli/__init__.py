"""The command line. Adding a command takes one file and one line.

The file, `coattail/cli/alerts.py`, imports nothing heavy at its top (Polars, PyIceberg and DuckDB belong inside
the function; a test holds it):

    from coattail.cli.app import JsonOption, Session, command

    @command("alerts", examples=["coattail alerts --since 2h", "coattail alerts --json"])
    def alerts(session: Session, *, since: SinceOption = None, as_json: JsonOption = False) -> None:
        '''List alerts, newest first.'''                            # the first line is the one in `coattail --help`
        start = maybe_when(since, "--since")
        home = session.home()                                       # opened; session.home(write=True) to change it
        settings = session.settings()                               # defaults < tier < home < --config < flags

The line is its name in `COMMANDS` below, in the order of `coattail --help` (groups come last there). `@command`
adds the global options, so `coattail --home X alerts` and `coattail alerts --home X` are the same;
`group("config", "...")` makes a command with subcommands; those of `coattail aws` may be in modules of their own,
`aws_bundle` with `@command("bundle", …, under=aws)`. Raise a `CoattailError` for what a person can mend,
`typer.Exit(1)` after having printed why.
"""

from coattail.cli.start import main, process

COMMANDS = (
    "demo", "run", "produce", "land", "backfill", "daily", "replay", "simulate", "alerts", "explain", "mute",
    "api", "live", "status", "quality", "coverage", "sql", "export", "snapshots", "tag", "reprocess", "what_if",
    "score", "maintain", "schema_drill", "init", "doctor", "config", "dlq", "report", "notebook", "jobs", "aws",
    "aws_bundle", "aws_emulate", "aws_zips", "aws_bootstrap", "aws_status", "aws_cost", "aws_receipt",
    "aws_start", "aws_smoke", "notify", "exchange",
)  # fmt: skip
"""Modules of this package that hold commands."""

__all__ = ["COMMANDS", "main", "process"]
