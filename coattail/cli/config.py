"""`coattail config show`: every setting, and where it came from."""

from __future__ import annotations

from coattail.cli.app import JsonOption, Session, command, group

config = group("config", "Show the settings.")


@command("show", under=config, examples=["coattail config show", "coattail config show --preset classic --json"])
def show(session: Session, *, as_json: JsonOption = False) -> None:
    """List every setting, its value, and where that came from.

    JSON: {"home": path, "settings": [{"key", "value", "source"}]}.
    """
    from coattail.cli.output import print_json, print_table
    from coattail.detectors import detectors_for

    settings = session.settings()
    detectors_for(settings)  # refuses what no detector has
    explained = settings.explain()
    if as_json:
        rows = [{"key": key, "value": value, "source": source} for key, value, source in explained]
        print_json({"home": session.home_path(), "settings": rows})
        return
    print_table(["key", "value", "from"], explained)
