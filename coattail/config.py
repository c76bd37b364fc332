"""Settings: the package's defaults, a tier, the home's file, its place, a file of yours and flags, merged.

Each source overrides the one before it, key by key; a list is replaced as a whole. Every value remembers where
it came from, and every mistake names its file, its key and its value.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs, urlsplit

import yaml

from coattail.errors import ConfigError
from coattail.masks import shown
from coattail.sections import (
    DlqSettings,
    EngineSettings,
    ExchangeSettings,
    HotSettings,
    JobsSettings,
    LeaseSettings,
    LiveSettings,
    MaintenanceSettings,
    MetricsSettings,
    NotifySettings,
    QualitySettings,
    SparkSettings,
    SqlSettings,
    StreamSettings,
    TimeSettings,
)
from coattail.service_url import is_loopback
from coattail.values import read_value

PRESETS = CLASSIC, DEFAULT = ("classic", "default")
"""Known sets of detectors: the thresholds of the source documents, and the ones that are measured better."""

HOME_FILE = "coattail.yaml"
"""Settings of one home, inside its folder."""
AWS_FILE = "aws.yaml"
"""Where the stores of a home on AWS are, inside its folder: the place `aws`."""

DEFAULTS = "package defaults"
"""The source of what no one has overridden; that of a tier is `tier NAME`."""

_CONF = Path(__file__).parent / "conf"


class Leaf(NamedTuple):
    """One value: as its source wrote it, as the settings hold it, and the source."""

    written: object
    value: Any
    source: str


KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """Settings that come together and from elsewhere than a file that is named: those of a place, those of an order."""

    name: str
    """As it was chosen: `aws`, `ssm:/coattail/dev?region=eu-central-1`."""
    leaves: Mapping[KeyPath, Leaf]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, typed; `explain()` says where each came from."""

    tier: str
    preset: str
    modules: tuple[str, ...]
    detectors: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Overrides of detectors' parameters as they are written; `parameters()` reads them."""
    time: TimeSettings
    engine: EngineSettings
    spark: SparkSettings
    quality: QualitySettings
    stream: StreamSettings
    jobs: JobsSettings
    dlq: DlqSettings
    hot: HotSettings
    lease: LeaseSettings
    metrics: MetricsSettings
    sql: SqlSettings
    lake: Mapping[str, str] = field(default_factory=dict)
    """Where the tables are, as PyIceberg's `load_catalog` takes it (`warehouse`, `py-io-impl`, …); what is left out is
    that of the embedded lake: a SQLite catalog and files in the home."""
    maintenance: MaintenanceSettings
    notify: NotifySettings
    exchanges: Mapping[str, ExchangeSettings] = field(default_factory=dict)
    """By exchange."""
    live: LiveSettings
    leaves: Mapping[KeyPath, Leaf] = field(default_factory=dict, repr=False, compare=False, metadata={"derived": True})

    def explain(self) -> list[tuple[str, object, str]]:
        """(key, value as it is written, source) of every setting, sorted by key; what may be secret is masked."""
        return [(".".join(path), shown(path, leaf.written), leaf.source) for path, leaf in sorted(self.leaves.items())]

    @property
    def emulated(self) -> bool:
        """Whether a service that it names is on this machine: a local emulation, and not AWS."""
        said = [(path[-1], leaf.value) for path, leaf in self.leaves.items() if isinstance(leaf.value, str)]
        at = [parse_qs(urlsplit(value).query).get("endpoint", [""])[0] for key, value in said if key == "url"]
        return any(map(is_loopback, [*at, *(value for key, value in said if key.endswith(".endpoint"))]))

    def parameters(self, name: str, detector: type[Any]) -> dict[str, Any]:
        """What the settings say about the detector `name` under the active preset: arguments for its constructor.

        `detector` is its dataclass, whose fields say which parameters exist and of which type.
        Raises: ConfigError: If a parameter is unknown to `detector` or does not fit.
        """
        return self._arguments(("detectors", name), detector, lambda rest: rest in ((), (self.preset,)))

    def sink(self, name: str, sink: type[Any]) -> dict[str, Any]:
        """What the settings say about the sink `name`: arguments for its constructor, without its kind.

        Raises: ConfigError: If a key is unknown to `sink` or does not fit. Values that may be secret are not said.
        """
        return self._arguments(("notify", "sinks", name), sink, lambda rest: rest == ())

    def _arguments(self, of: KeyPath, kind: type[Any], holds: Callable[[KeyPath], bool]) -> dict[str, Any]:
        """The values under the key `of` whose path beyond the argument's name `holds`, by the fields of `kind`."""
        known = {f.name: hint for f, hint in _typed_fields(kind) if f.init}
        found: dict[str, Any] = {}
        at = len(of)
        for path, leaf in sorted(self.leaves.items(), key=lambda item: len(item[0])):
            if path[:at] == of and len(path) > at and path[at] != "kind" and holds(path[at + 1 :]):
                if path[at] not in known:
                    raise _unknown(path[: at + 1], leaf.written, leaf.source, list(known))
                found[path[at]] = _read(leaf.written, known[path[at]], path, leaf.source)
        return found


def load_settings(
    home: str | os.PathLike[str] | None,
    tier: str | None = None,
    preset: str | None = None,
    config_file: str | os.PathLike[str] | Layer | None = None,
    overrides: Mapping[str, object] | None = None,
    place: Layer | None = None,
) -> Settings:
    """The settings that hold for `home` (a folder, or a `Home`; None: for no home at all).

    `overrides` maps dotted keys (`engine.trigger`) to values, as flags do; `tier` and `preset` are flags too. `place`
    says where its stores are; None: in the home, or where its file says.
    Raises: ConfigError: If a source cannot be read, or a key or a value in it is not understood.
    """
    layers = [leaves_of(read_yaml(_CONF / "defaults.yaml"), DEFAULTS)]
    if home is not None and (file := Path(home) / HOME_FILE).exists():
        layers.append(leaves_of(read_yaml(file), str(file)))
    if place is not None:
        layers.append(dict(place.leaves))
    if isinstance(config_file, Layer):
        layers.append(dict(config_file.leaves))
    elif config_file is not None:
        layers.append(leaves_of(read_yaml(Path(config_file).expanduser()), str(config_file)))
    layers.append(
        {path: leaf for key, value in (overrides or {}).items() for path, leaf in leaves_at(key, value, "flag")}
    )
    if tier is not None:
        layers.append(dict(leaves_at("tier", tier, "--tier")))
    if preset is not None:
        layers.append(dict(leaves_at("preset", preset, "--preset")))

    chosen = next(leaf for layer in reversed(layers) if (leaf := layer.get(("tier",))))
    layers.insert(1, _of_tier(chosen))
    merged: dict[KeyPath, Leaf] = {}
    for layer in layers:
        for key, leaf in layer.items():
            deeper = [old for old in merged if old[: len(key)] == key and old != key]
            if leaf.value == {} and deeper:
                continue  # an empty mapping adds nothing
            for old in deeper:  # a value for all presets replaces the ones for each
                del merged[old]
            for end in range(1, len(key)):
                merged.pop(key[:end], None)
            merged[key] = leaf
    if (leaf := merged[("preset",)]).value not in PRESETS:
        near = difflib.get_close_matches(str(leaf.value), PRESETS, n=1, cutoff=0.4)
        raise ConfigError(
            f"unknown preset {leaf.value!r} ({leaf.source})",
            next_step=(f"did you mean {near[0]}? " if near else "") + f"choose one of: {', '.join(PRESETS)}",
            source=leaf.source,
        )
    settings: Settings = _build(Settings, (), merged)
    return settings


def _of_tier(chosen: Leaf) -> dict[KeyPath, Leaf]:
    """What a tier says as settings; how large its jobs are on AWS, `tiers` reads: Terraform goes by it, too."""
    said = {key: value for key, value in tier_document(chosen.value, chosen.source).items() if key != "workers"}
    return leaves_of(said, f"tier {chosen.value}")


def tier_names() -> list[str]:
    """Every tier, sorted."""
    return sorted(path.stem for path in (_CONF / "tiers").glob("*.yaml"))


def tier_document(name: object, source: str = "") -> dict[str, Any]:
    """What the file of a tier says.

    source: Who chose it, if that is to be said. Raises: ConfigError: If there is no such tier.
    """
    if name not in tier_names():
        by = f" ({source})" if source else ""
        raise ConfigError(
            f"unknown tier {name!r}{by}", next_step=f"choose one of: {', '.join(tier_names())}", source=source
        )
    said: dict[str, Any] = yaml.safe_load((_CONF / "tiers" / f"{name}.yaml").read_text(encoding="utf-8"))
    return said


def read_yaml(path: Path) -> object:
    """What a file of settings holds; an empty one holds {}.

    Raises: ConfigError: If it cannot be read.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}", next_step="check the path") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", next_step="check its permissions") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise ConfigError(
            f"{path} is not valid YAML{line} ({getattr(error, 'problem', None) or error})", next_step="correct the file"
        ) from error


def leaves_of(document: object, source: str) -> dict[KeyPath, Leaf]:
    """The values of a whole document of settings.

    Raises: ConfigError: If a key is unknown, or a value does not fit.
    """
    return dict(_flatten(document, Settings, (), source))


def leaves_at(key: str, value: object, source: str) -> Iterator[tuple[KeyPath, Leaf]]:
    """The values below one dotted key. Names of `lake` have dots of their own: lake.s3.region is its `s3.region`.

    Raises: ConfigError: As `leaves_of`.
    """
    document = value
    for part in reversed(key.split(".", 1 if key.startswith("lake.") else -1)):
        document = {part: document}
    return _flatten(document, Settings, (), source)


def _flatten(node: object, hint: Any, path: KeyPath, source: str) -> Iterator[tuple[KeyPath, Leaf]]:
    """The values under `node`, each checked against the type that `Settings` gives it."""
    if is_dataclass(hint):
        known = {f.name: inner for f, inner in _typed_fields(hint)}
        for key, inner in _items(node, path, source):
            if key not in known:
                raise _unknown((*path, key), inner, source, list(known))
            yield from _flatten(inner, known[key], (*path, key), source)
    elif get_origin(hint) is Mapping:
        deeper = get_args(hint)[1]
        for key, inner in _items(node, path, source):
            if not inner and get_origin(deeper) is Mapping:  # kept, so that a later check can refuse it as unknown
                yield (*path, key), Leaf({}, {}, source)
            else:
                yield from _flatten(inner, deeper, (*path, key), source)
    elif path[0] == "detectors" and isinstance(node, Mapping) and node and set(node) <= set(PRESETS):
        for key, inner in node.items():
            yield (*path, key), Leaf(inner, inner, source)
    else:
        yield path, Leaf(node, _read(node, hint, path, source), source)


def _items(node: object, path: KeyPath, source: str) -> Iterator[tuple[str, object]]:
    if node is None:
        return
    if not isinstance(node, Mapping):
        what = f"{'.'.join(path)} = {shown(path, node)!r} in {source}" if path else source
        raise ConfigError(
            f"{what} must be a mapping of keys to values", next_step="indent the keys below it", source=source
        )
    for key, value in node.items():
        yield str(key), value


def _build(hint: Any, path: KeyPath, leaves: Mapping[KeyPath, Leaf]) -> Any:
    """A value of type `hint` from the leaves under `path`."""
    if isinstance(hint, type) and is_dataclass(hint):
        arguments: dict[str, object] = {}
        for f, inner in _typed_fields(hint):
            given = any(leaf[: len(path) + 1] == (*path, f.name) for leaf in leaves)
            if given or (f.default is MISSING and f.default_factory is MISSING):
                arguments[f.name] = _build(inner, (*path, f.name), leaves)
        if hint is Settings:
            arguments["leaves"] = leaves
        return hint(**arguments)
    if path in leaves:
        return leaves[path].value
    names = dict.fromkeys(leaf[len(path)] for leaf in leaves if leaf[: len(path)] == path)
    inner = get_args(hint)[1] if get_origin(hint) is Mapping else hint
    return {name: _build(inner, (*path, name), leaves) for name in names}


def _typed_fields(kind: Any) -> list[tuple[Field[Any], Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return [(f, hints[f.name]) for f in fields(kind) if not f.metadata.get("derived")]


def _read(value: object, hint: Any, path: KeyPath, source: str) -> Any:
    try:
        return read_value(value, hint)
    except ValueError as error:
        raise ConfigError(
            f"{'.'.join(path)} = {shown(path, value)!r} in {source} {error}",
            next_step="correct it, or remove it to use the default",
            source=source,
        ) from error


def _unknown(path: KeyPath, value: object, source: str, siblings: Sequence[str]) -> ConfigError:
    inside = ".".join(path[:-1])
    near = [key for key in _known_keys(Settings) if key.endswith(f".{path[-1]}")]
    near = near or [".".join((*path[:-1], name)) for name in difflib.get_close_matches(path[-1], siblings, cutoff=0.5)]
    known = f"known {f'under {inside}' if inside else 'keys'}: {', '.join(siblings)}"
    return ConfigError(
        f"unknown setting {'.'.join(path)} = {shown(path, value)!r} in {source}",
        next_step=f"did you mean {' or '.join(near)}? ({known})" if near else known,
        source=source,
    )


def _known_keys(kind: Any, prefix: str = "") -> Iterator[str]:
    for f, hint in _typed_fields(kind):
        yield f"{prefix}{f.name}"
        if is_dataclass(hint):
            yield from _known_keys(hint, f"{prefix}{f.name}.")
