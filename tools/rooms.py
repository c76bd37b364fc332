"""The rooms of the package and the imports between them, drawn: docs/img/rooms.svg.

python -m tools.rooms docs/img/rooms.svg

An arrow leads from a room to one that it imports from. Arrows that follow from others are left out, and a room stands
on the floor above all that it imports from. A test draws the picture again and compares.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "coattail"

LEVELS: tuple[tuple[str, ...], ...] = (
    ("errors", "values", "tables", "records", "packs", "packing", "unpacking", "exact", "intervals", "alerts",
     "amounts", "emf", "markup", "masks", "service_client", "service_url", "versions"),
    ("config", "home", "place", "prices", "sections", "tiers"),
    ("symbols", "connectors", "streams", "landing", "detectors", "recordings", "market", "jobs"),
    ("stores",),
    ("spark",),
    ("producer", "engines", "sql", "notify"),
    ("batch", "charts", "reports", "scoring", "share"),
    ("workspace",),
    ("api", "notebooks", "aws"),
    ("cli", "__main__"),
)  # fmt: skip
"""The parts of the package, upstream first. A part imports from its own level and from those before it."""

TOGETHER = {"records, tables, …": LEVELS[0], "config, place, home": LEVELS[1], "cli": LEVELS[-1]}
"""Levels that are drawn as one room."""

SAYS = {
    "records, tables, …": "types, schemas, exact sums",
    "config, place, home": "where it lives, what it obeys",
    "symbols": "native ↔ canonical",
    "connectors": "frame → Trade",
    "streams": "lanes of packs",
    "jobs": "hand over, look, cancel",
    "landing": "check, deduplicate, sum",
    "detectors": "bars → alerts",
    "recordings": "files → frames",
    "market": "simulated, truth known",
    "stores": "Iceberg, hot store, DLQ",
    "spark": "sessions, sources, jars",
    "producer": "trades → stream",
    "engines": "the loop; recompute, explain",
    "sql": "Athena's dialect",
    "notify": "alerts to people",
    "batch": "maintain, export, drill",
    "charts": "data in, a picture out",
    "reports": "a day on one page",
    "scoring": "detectors against the truth",
    "share": "cards, pages, checked posts",
    "workspace": "what people ask of a home",
    "api": "alerts over HTTP",
    "notebooks": "run with parameters",
    "aws": "sent there, or emulated",
    "cli": "one thin module a command",
}

_COLUMN = {"symbols": 1, "connectors": 0, "streams": 2, "detectors": 4, "landing": 2, "recordings": 0, "market": 5,
           "producer": 1, "sql": 4, "batch": 2, "charts": 5, "notebooks": 4, "reports": 4, "scoring": 5,
           "share": 4, "api": 2, "aws": 5, "jobs": 4}  # fmt: skip
"""Where a room stands on its floor, in rooms from the left; 3 for the others."""

_WIDTH, _HEIGHT, _GAP, _RISE, _EDGE = 172, 50, 18, 54, 14


def part_of(module: Path) -> str:
    """The part that a module of the package belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports_of(module: Path) -> tuple[str, ...]:
    """Dotted names that a module imports, anywhere in it, unless for types only."""
    return tuple(_imports_of(module))


def _imports_of(module: Path) -> Iterator[str]:
    tree = ast.parse(module.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def upstream_parts() -> dict[str, set[str]]:
    """Part -> the parts that it imports from; the package's own `__init__` is left out."""
    found: dict[str, set[str]] = {}
    for module in sorted(PACKAGE.rglob("*.py")):
        names = {name.split(".")[1] for name in imports_of(module) if name.startswith("coattail.")}
        found.setdefault(part_of(module), set()).update(names - {part_of(module), "__version__"})
    found.pop("__init__", None)
    return found


def rooms(upstream: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Room -> the rooms that it imports from, without those that follow from others."""
    room_of = {part: room for room, parts in TOGETHER.items() for part in parts}
    direct: dict[str, set[str]] = {}
    for part, names in upstream.items():
        room = room_of.get(part, part)
        direct.setdefault(room, set()).update({room_of.get(n, n) for n in names} - {room})

    def reached(room: str) -> set[str]:
        return set().union(*(direct[near] | reached(near) for near in direct[room]))

    return {room: near - reached(room) for room, near in direct.items()}


def drawn(upstream: Mapping[str, set[str]]) -> str:
    """The picture, as SVG: upstream at the bottom."""
    near = rooms(upstream)

    def floor(room: str) -> int:
        return 1 + max((floor(other) for other in near[room]), default=-1)

    width = (1 + max(_COLUMN.values())) * (_WIDTH + _GAP) - _GAP + 2 * _EDGE
    height = (1 + max(map(floor, near))) * (_HEIGHT + _RISE) - _RISE + 2 * _EDGE
    place = {
        room: (
            _EDGE + _COLUMN.get(room, 3) * (_WIDTH + _GAP),
            height - _EDGE - _HEIGHT - floor(room) * (_HEIGHT + _RISE),
        )
        for room in sorted(near, key=lambda room: (floor(room), room))
    }
    arrows = [_arrow(place[room], place[other]) for room in place for other in sorted(near[room])]
    boxes = [_box(room, *place[room]) for room in place]
    title = "Rooms of coattail: " + "; ".join(
        f"{room} imports from {', '.join(sorted(near[room]))}" for room in reversed(list(place)) if near[room]
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
            "font-family=\"ui-sans-serif, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif\">",
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
            '<path d="M0 0 L8 4 L0 8 z" fill="#7a8591"/></marker></defs>',
            *arrows,
            *boxes,
            "</svg>",
            "",
        ]
    )


def _box(room: str, x: float, y: float) -> str:
    middle = x + _WIDTH / 2
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="#2f6690"/>'
        f'<text x="{middle:g}" y="{y + 22:g}" fill="#fff" font-size="14" font-weight="600" text-anchor="middle">'
        f"{escape(room)}</text>"
        f'<text x="{middle:g}" y="{y + 38:g}" fill="#fff" font-size="11" text-anchor="middle">'
        f"{escape(SAYS[room])}</text>"
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1, x2, y2 = start[0] + _WIDTH / 2, start[1] + _HEIGHT, end[0] + _WIDTH / 2, end[1]
    half = (y1 + y2) / 2
    return _path(f"M{x1:g} {y1:g} C{x1:g} {half:g} {x2:g} {half:g} {x2:g} {y2:g}")


def _path(d: str) -> str:
    return f'<path d="{d}" fill="none" stroke="#7a8591" stroke-width="1.4" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(drawn(upstream_parts()))
