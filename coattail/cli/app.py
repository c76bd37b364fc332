"""The `coattail` application: its global options, and the decorator that makes a function a command."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from coattail import __version__
from coattail.cli import hints
from coattail.cli.options import pair
from coattail.errors import UsageError
from coattail.values import write_value

if TYPE_CHECKING:
    from coattail.config import Layer, Settings
    from coattail.home import Home
    from coattail.workspace.opening import Stores

P = ParamSpec("P")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="FOLDER", help="Use this home. [default: COATTAIL_HOME, or the nearest .coattail]"),
]
TierOption = Annotated[
    str | None,
    typer.Option("--tier", metavar="NAME", help="Choose modules, and the size of jobs on AWS: small, medium, large."),
]
PresetOption = Annotated[
    str | None, typer.Option("--preset", metavar="NAME", help="Choose the detectors: default or classic.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Read settings that override those of the home.")
]
PlaceOption = Annotated[
    str | None,
    typer.Option(
        "--place",
        metavar="NAME",
        help="Find the stores there: local, aws (in aws.yaml) or ssm:/PATH. [default: COATTAIL_PLACE, or local]",
    ),
]
SettingOption = Annotated[
    list[str] | None, typer.Option("--setting", metavar="KEY=VALUE", help="Override one setting; may be repeated.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@dataclass
class Session:
    """One run of the command line: its global options, and what they lead to."""

    home_option: Path | None = None
    tier: str | None = None
    preset: str | None = None
    config_file: Path | None = None
    place_option: str | None = None
    single: dict[str, object] = field(default_factory=dict)
    """Single settings, by dotted key."""
    debug: bool = False
    logging: bool = False
    """Whether the log already goes to the home's log file."""
    labelled: bool = False
    """Whether it was said that services are emulated."""
    resources: ExitStack = field(default_factory=ExitStack, repr=False)
    """Closed when the command ends."""

    def home_path(self) -> Path:
        """Where the home is, or would be; see `resolve_home`."""
        from coattail.home import resolve_home

        return resolve_home(self.home_option, os.environ.get("COATTAIL_HOME"), Path.cwd())

    def home(self, *, create: bool = False, write: bool = False) -> Home:
        """The home, opened, with the log going to its log file from now on."""
        from coattail.cli.logs import log_to
        from coattail.home import Home

        home = Home.open(self.home_path(), create=create, write=write)
        if not self.logging:
            self.resources.enter_context(log_to(home.log_file))
            self.logging = True
        return home

    def flags(self, home: Path) -> list[str]:
        """The global options that this run was given, for a command that it starts; the home by its path."""
        given: list[tuple[str, object]] = [("--home", home), ("--tier", self.tier), ("--preset", self.preset)]
        given += [("--config", self.config_file and self.config_file.absolute())]
        given += [("--place", self.place and self.place.name), *self._single()]
        return [part for name, value in given if value is not None for part in (name, str(value))]

    def named(self) -> list[str]:
        """The global options that say where its stores are, as they were given; without the home."""
        given = [("--config", self.config_file), ("--place", self.place_option), *self._single()]
        return [part for name, value in given if value is not None for part in (name, str(value))]

    def _single(self) -> list[tuple[str, object]]:
        return [("--setting", f"{key}={json.dumps(write_value(value))}") for key, value in self.single.items()]

    @cached_property
    def place(self) -> Layer | None:
        """Where the stores are; None: in the home, or where its settings say."""
        from coattail.place import chosen_place, read_place

        chosen = chosen_place(self.place_option, home_named=self.home_option is not None)
        return read_place(chosen, self.home_path())

    def place_name(self) -> str:
        """What the place is called: `local`, `aws`, `ssm:/PATH`."""
        return "local" if self.place is None else self.place.name

    def in_place(self, name: str) -> None:
        """Go on in this place, as if it had been asked for."""
        self.place_option = name
        self.__dict__.pop("place", None)
        hints.CHOSEN.set(self.named())

    def stores(self, *, write: bool = False) -> Stores:
        """The stores of the home, under this run's settings, until the command ends; read-only by default."""
        from coattail.workspace.opening import open_stores

        return self.resources.enter_context(open_stores(self.home(write=write), write=write, settings=self.settings))

    def chosen(self) -> dict[str, Any]:
        """What this run was given of the settings, as `load_settings` takes it."""
        return {"tier": self.tier, "preset": self.preset, "config_file": self.config_file, "place": self.place,
                "overrides": self.single or None}  # fmt: skip

    def settings(self, overrides: Mapping[str, object] | None = None) -> Settings:
        """The settings that hold for this run; `overrides` are the command's own flags, by dotted key."""
        from coattail.config import load_settings

        single = {**self.single, **(overrides or {})}
        found = load_settings(self.home_path(), **{**self.chosen(), "overrides": single})
        self.label(found)
        return found

    def label(self, settings: Settings) -> None:
        """Say once, beside whatever is printed, where this is not AWS; a part of `coattail run` leaves that to it."""
        if not settings.emulated or self.labelled:
            return
        from coattail.workspace.running import HELD

        self.labelled = True
        if HELD not in os.environ:
            print("local emulation: services of this place are on this machine, not on AWS", file=sys.stderr)


def _take(
    session: Session,
    home: HomeOption = None,
    tier: TierOption = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    place: PlaceOption = None,
    setting: SettingOption = None,
    debug: DebugOption = False,
) -> None:
    """Take in the global options; those after the command's name override those before it."""
    session.home_option = home or session.home_option
    session.tier = tier or session.tier
    session.preset = preset or session.preset
    session.config_file = config or session.config_file
    session.place_option = place or session.place_option
    for text in setting or ():
        key, value = pair(text, "--setting", "engine.trigger=5s")
        session.single[key] = _as_yaml(text, value)
    session.debug = debug or session.debug


def _as_yaml(text: str, value: str) -> object:
    import yaml

    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"--setting {text!r}: the value cannot be read", next_step="quote it as in YAML") from None


def _bind(function: Callable[..., None]) -> Callable[..., None]:
    """What Typer calls: takes the function's options and the global ones, hands the session on."""
    own, shared = _parameters(function), _parameters(_take)

    def run(ctx: typer.Context, **given: Any) -> None:
        _take(ctx.obj, **{name: given.pop(name) for name in shared})
        ctx.obj.resources.callback(hints.CHOSEN.reset, hints.CHOSEN.set(ctx.obj.named()))
        function(ctx.obj, **given)

    parameters = {"ctx": _CONTEXT, **own, **shared}
    run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    run.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    return run


_CONTEXT = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def _parameters(function: Callable[..., None]) -> dict[str, inspect.Parameter]:
    """Parameters after the session, keyword-only and with their annotations evaluated."""
    hints = get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]
    }


def command(
    name: str, *, examples: Sequence[str], under: typer.Typer = app
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[Concatenate[Session, P], None]]:
    """Register a function that takes a `Session` and its own options; its docstring is the help."""

    def register(function: Callable[Concatenate[Session, P], None]) -> Callable[Concatenate[Session, P], None]:
        shown = "\b\nExample:\n" + "\n".join(f"  {example}" for example in examples)
        under.command(name, help=inspect.getdoc(function), epilog=shown)(_bind(function))
        return function

    return register


def group(name: str, summary: str) -> typer.Typer:
    """A command with subcommands: `@command("show", ..., under=group(...))`."""
    made = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
    made.callback(help=summary)(_bind(_nothing))
    app.add_typer(made, name=name)
    return made


def _nothing(session: Session) -> None:
    """Take the global options and no others."""


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"coattail {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
]


def _root(session: Session, version: VersionOption = False) -> None:
    """Options before the command's name."""


app.callback(
    help="Public crypto trades: none lost, none doubled, kept in a lakehouse, and alerts anyone can check. "
    "For educational and analytical purposes only. Not financial advice."
)(_bind(_root))
