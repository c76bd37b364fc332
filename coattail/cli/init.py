"""`coattail init`: an empty home."""

from __future__ import annotations

from coattail.cli.app import Session, command

_TEMPLATE = """\
# Settings of this home; they override the package's. `coattail config show` lists every key with its value.
# engine:
#   trigger: 2s
"""


@command("init", examples=["coattail init", "coattail init --home ~/trades --tier small"])
def init(session: Session) -> None:
    """Make a home: a folder for tables, stream, alerts and log.

    With --tier or --preset, the home remembers them in its coattail.yaml. A home that is there already stays as it
    is.
    """
    session.settings()  # a bad tier or preset stops here
    existed = (session.home_path() / "home.json").exists()
    home = session.home(create=True, write=True)
    if existed:
        print(f"{home.path} is a home already; nothing was changed")
        return
    chosen = {"tier": session.tier, "preset": session.preset}
    if not home.config_file.exists():
        home.config_file.write_text(
            _TEMPLATE + "".join(f"{key}: {value}\n" for key, value in chosen.items() if value), encoding="utf-8"
        )
    print(f"made the home {home.path}")
