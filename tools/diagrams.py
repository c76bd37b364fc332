"""The pictures of AWS and of trust in docs/ARCHITECTURE.md and docs/SECURITY.md, drawn from what stands here.

python -m tools.diagrams docs/img

A picture is boxes on a grid, areas around some of them, and arrows. Tests draw each again and compare, and hold the
picture of AWS against the modules of infra/.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Literal

BoxKind = Literal["outside", "runs", "keeps", "hourly", "watches"]
COLOURS: dict[BoxKind, tuple[str, str]] = {
    "outside": ("#5d6873", "not ours, or your machine"),
    "runs": ("#2f6690", "runs, when there is work"),
    "keeps": ("#1f7a63", "keeps"),
    "hourly": ("#9a4a00", "costs by the hour: between start and stop only"),
    "watches": ("#6b4c9a", "permits, watches, tells"),
}
"""BoxKind -> its colour, and what it means. White text on each has a contrast of 4.5 or more; a test computes it."""

_WIDTH, _HEIGHT, _ACROSS, _DOWN, _EDGE = 172, 56, 24, 50, 18
_FONT = "ui-sans-serif, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Box:
    """title: One line. says: One or two more. at: Column and row, from the top left; may lie between two."""

    title: str
    says: tuple[str, ...]
    at: tuple[float, float]
    kind: BoxKind
    stands_for: tuple[str, ...] = ()
    """The modules of infra/ that make it, or the states of the workflow that it is."""


@dataclass(frozen=True)
class Area:
    """A frame: its columns and rows, first and last, and above which column its title stands."""

    title: str
    columns: tuple[float, float]
    rows: tuple[float, float]
    title_above: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """title: What screen readers say. arrows: (from, to, words) by the names of boxes."""

    title: str
    boxes: Mapping[str, Box]
    areas: Sequence[Area] = ()
    arrows: Sequence[tuple[str, str, str]] = ()
    legend: Sequence[BoxKind] = field(default=())


AWS = Picture(
    title="The services of one environment on AWS",
    boxes={
        "producer": Box("producer", ("hears exchanges, anywhere", "role producer"), (0, 0), "outside"),
        "analyst": Box("analysts", ("notebooks, coattail sql", "roles analyst, scientist"), (3, 0), "outside"),
        "anybody": Box("anybody", ("HTTPS, without a login",), (5, 0), "outside"),
        "stream": Box("Kinesis", ("one stream, on demand",), (0, 1.2), "hourly", ("kinesis",)),
        "endpoints": Box("endpoints", ("Kinesis, Glue,", "CloudWatch, SSM"), (1, 1.2), "hourly", ("network",)),
        "live": Box("EMR stream", ("jobs on EMR Serverless", "role jobs"), (2, 1.2), "runs", ("emr-serverless",)),
        "athena": Box("Athena", ("a workgroup with a limit",), (3, 1.2), "runs", ("glue",)),
        "api": Box("Lambda api", ("role api",), (4, 1.2), "runs", ("api",)),
        "gateway": Box("API Gateway", ("HTTP API, throttled",), (5, 1.2), "runs", ("api",)),
        "checkpoint": Box("S3 checkpoint", ("artifacts/, logs/",), (0, 2.5), "keeps", ("s3-lakehouse",)),
        "raw": Box("S3 raw", ("historical/, dlq/",), (1, 2.5), "keeps", ("s3-lakehouse",)),
        "processed": Box("S3 processed", ("Iceberg tables",), (2, 2.5), "keeps", ("s3-lakehouse",)),
        "glue": Box("Glue", ("catalog of the tables",), (3, 2.5), "keeps", ("glue",)),
        "dynamodb": Box("DynamoDB", ("newest alerts, the lease",), (4, 2.5), "keeps", ("dynamodb",)),
        "results": Box("S3 athena", ("answers, 7 days",), (5, 2.5), "keeps", ("s3-lakehouse",)),
        "timer": Box("Scheduler", ("02:00 UTC, if turned on", "role scheduler"), (0, 3.7), "runs", ("step-functions",)),
        "day": Box("Step Functions", ("the daily workflow", "role workflow"), (1, 3.7), "runs", ("step-functions",)),
        "loader": Box("1 Lambda loader", ("past trades", "role loader"), (2, 3.7), "runs", ("batch-functions",)),
        "batch": Box("2 EMR batch", ("lands it; no VPC", "role jobs"), (3, 3.7), "runs", ("emr-serverless",)),
        "gate": Box("3 Lambda gate", ("judges quality", "role gate"), (4, 3.7), "runs", ("batch-functions",)),
        "catalog": Box("4 Lambda catalog", ("counts tables", "role catalog"), (5, 3.7), "runs", ("batch-functions",)),
        "kms": Box("KMS", ("one key for all stores",), (0, 4.8), "watches", ("kms",)),
        "iam": Box("IAM", ("a role for each caller",), (1, 4.8), "watches", ("iam",)),
        "formation": Box("Lake Formation", ("columns for analysts",), (2, 4.8), "watches", ("lake-formation",)),
        "parameters": Box("Parameters", ("what --place ssm:… reads",), (3, 4.8), "watches", ("parameters",)),
        "watch": Box("CloudWatch", ("dashboard, alarms",), (4, 4.8), "watches", ("monitoring",)),
        "topic": Box("SNS", ("mail",), (5, 4.8), "watches", ("monitoring",)),
    },
    areas=(
        Area("one account, one region", (0, 5), (1.2, 4.8), 4),
        Area("VPC without a way to the internet", (1, 2), (1.2, 1.2), 1),
    ),
    arrows=(
        ("producer", "stream", ""), ("stream", "endpoints", ""), ("endpoints", "live", ""), ("live", "processed", ""),
        ("live", "glue", ""), ("live", "dynamodb", ""), ("analyst", "athena", ""), ("athena", "glue", ""),
        ("athena", "processed", ""), ("athena", "results", ""), ("anybody", "gateway", ""), ("gateway", "api", ""),
        ("api", "dynamodb", ""), ("timer", "day", ""), ("day", "loader", ""), ("loader", "batch", ""),
        ("batch", "gate", ""), ("gate", "catalog", ""), ("loader", "raw", ""), ("batch", "processed", ""),
        ("batch", "glue", ""), ("gate", "glue", ""), ("catalog", "dynamodb", ""), ("watch", "topic", ""),
    ),
    legend=("outside", "runs", "keeps", "hourly", "watches"),
)  # fmt: skip

TRUST = Picture(
    title="Where trust ends, by the numbers of the page",
    boxes={
        "exchanges": Box("exchanges, files", ("any bytes",), (0, 0.3), "outside"),
        "registries": Box("registries", ("packages, jars, wheels",), (0, 2.3), "outside"),
        "connectors": Box("connectors, landing", ("parse, check, reject",), (1.4, 0.3), "runs"),
        "tables": Box("the home", ("tables, DLQ, notes",), (1.4, 1.3), "keeps"),
        "settings": Box("settings, notebooks", ("can run commands",), (2.6, 2.8), "keeps"),
        "installation": Box("installation", ("locked by hashes",), (1.4, 2.3), "runs"),
        "shown": Box("pages, messages", ("text, never markup",), (2.6, 1.8), "runs"),
        "served": Box("API, live page", ("read only, no login",), (2.6, 0.8), "runs"),
        "browsers": Box("browsers, clients", ("whoever reaches the port",), (4, 0.8), "outside"),
        "people": Box("people, services", ("Slack, mail, a shell",), (4, 1.8), "outside"),
        "account": Box("account of AWS", ("roles, one key",), (4, 2.8), "keeps"),
    },
    areas=(Area("your machine", (1.4, 2.6), (0.3, 2.8), 1.4),),
    arrows=(
        ("exchanges", "connectors", "1"), ("connectors", "tables", ""), ("tables", "shown", ""),
        ("shown", "people", "2"), ("served", "browsers", "3"), ("tables", "served", ""), ("settings", "shown", "4"),
        ("registries", "installation", "5"), ("settings", "account", "6"),
    ),
)  # fmt: skip

LIFE = Picture(
    title="The life of an environment: what is there, and what it costs by the hour",
    boxes={
        "nothing": Box("nothing", (), (0, 0), "outside"),
        "state": Box("bucket of the state", ("locked by S3 itself",), (1.5, 0), "keeps"),
        "idle": Box("idle", ("stores, roles, functions,", "workflow: by use only"), (3, 0), "runs"),
        "streaming": Box("streaming", ("+ stream, + endpoints:", "by the hour"), (4.5, 0), "hourly"),
    },
    arrows=(
        ("nothing", "state", "bootstrap"), ("state", "idle", "apply"), ("idle", "streaming", "start"),
        ("streaming", "idle", "stop"), ("idle", "nothing", "cleanup"),
    ),
)  # fmt: skip

DAY = Picture(
    title="The daily workflow: its states, and the one way of all failures",
    boxes={
        "asked": Box("Asked", ("what the input says,", "or the usual"), (0, 0), "keeps", ("Usual", "Asked")),
        "load": Box(
            "Load", ("one by one, with pauses", "that the exchange wants"), (1, 0), "runs",
            ("Load", "Load for a while", "How far", "Pause", "Loaded", "Nothing was traded", "Too many rounds"),
        ),
        "land": Box("Land", ("a job, waited for",), (2, 0), "runs", ("Land",)),
        "judge": Box("Judge", ("what came in since",), (3, 0), "runs", ("Judge",)),
        "enough": Box("Good enough", ("95 % by default",), (4, 0), "keeps", ("Good enough",)),
        "count": Box("Count", ("rows, files, bytes",), (5, 0), "runs", ("Count",)),
        "why": Box("Why", ("one sentence",), (0, 1.5), "hourly", ("Why",)),
        "tell": Box("Tell people", ("SNS, by mail",), (1, 1.5), "watches", ("Tell people",)),
        "failure": Box("Say failure", ("WorkflowFailure 1",), (2, 1.5), "watches", ("Say failure",)),
        "failed": Box("Failed", ("the execution",), (3, 1.5), "hourly", ("Failed",)),
        "success": Box("Say success", ("WorkflowSuccess 1",), (5, 1.5), "watches", ("Say success",)),
    },
    arrows=(
        ("asked", "load", ""), ("load", "land", ""), ("land", "judge", ""), ("judge", "enough", ""),
        ("enough", "count", ""), ("count", "success", ""), ("load", "why", ""), ("land", "why", ""),
        ("judge", "why", ""), ("enough", "why", ""), ("count", "why", ""), ("success", "why", "if it cannot be said"),
        ("why", "tell", ""), ("tell", "failure", ""), ("failure", "failed", ""),
    ),
)  # fmt: skip

PICTURES = {"aws": AWS, "trust": TRUST, "start-stop": LIFE, "day": DAY}
"""Name of the file in docs/img, without .svg -> what is in it."""


def drawn(picture: Picture) -> str:
    """The picture as SVG."""
    low = max(box.at[1] for box in picture.boxes.values())
    wide = max(box.at[0] for box in picture.boxes.values())
    bent = any(_is_back(picture.boxes[a], picture.boxes[b]) for a, b, _ in picture.arrows)
    width = 2 * _EDGE + (wide + 1) * _WIDTH + wide * _ACROSS + (16 if picture.areas else 0)
    below = (34 if picture.legend else 0) + (64 if bent else 0) + (14 if picture.areas else 0)
    height = 2 * _EDGE + (low + 1) * _HEIGHT + low * _DOWN + below
    said = "; ".join(
        f"{picture.boxes[a].title} to {picture.boxes[b].title}{f' ({words})' if words else ''}"
        for a, b, words in picture.arrows
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
            f'font-family="{_FONT}">',
            f"<title>{escape(f'{picture.title}. {said}')}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
            '<path d="M0 0 L8 4 L0 8 z" fill="#7a8591"/></marker></defs>',
            *map(_area, picture.areas),
            *(_arrow(picture.boxes[a], picture.boxes[b], words) for a, b, words in picture.arrows),
            *map(_box, picture.boxes.values()),
            *(_key(picture.legend, height) if picture.legend else ()),
            "</svg>",
            "",
        ]
    )


def _corner(at: tuple[float, float]) -> tuple[float, float]:
    return _EDGE + 8 + at[0] * (_WIDTH + _ACROSS), _EDGE + at[1] * (_HEIGHT + _DOWN)


def _area(area: Area) -> str:
    x, y = _corner((area.columns[0], area.rows[0]))
    right, bottom = _corner((area.columns[1], area.rows[1]))
    depth = 26 if area.rows[1] > area.rows[0] else 24
    margin = 14 if area.rows[1] > area.rows[0] else 8
    title, _ = _corner((area.title_above, 0))
    return (
        f'<rect x="{x - margin:g}" y="{y - depth - (margin - 8):g}" width="{right - x + _WIDTH + 2 * margin:g}" '
        f'height="{bottom - y + _HEIGHT + depth + 2 * margin - 8:g}" rx="10" fill="#f4f6f8" stroke="#b5bec7" '
        f'stroke-dasharray="5 4"/><text x="{title:g}" y="{y - depth - (margin - 8) + 17:g}" fill="#46515c" '
        f'font-size="12">{escape(area.title)}</text>'
    )


def _box(box: Box) -> str:
    x, y = _corner(box.at)
    middle, top = x + _WIDTH / 2, y + (_HEIGHT - 14 * len(box.says)) / 2 + 5
    lines = "".join(
        f'<text x="{middle:g}" y="{top + 14 * number:g}" fill="#fff" font-size="11" text-anchor="middle">'
        f"{escape(line)}</text>"
        for number, line in enumerate(box.says, 1)
    )
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{COLOURS[box.kind][0]}"/>'
        f'<text x="{middle:g}" y="{top:g}" fill="#fff" font-size="13" font-weight="600" text-anchor="middle">'
        f"{escape(box.title)}</text>{lines}"
    )


def _is_back(start: Box, end: Box) -> bool:
    """Whether an arrow goes back along its row, and so below the boxes."""
    return start.at[1] == end.at[1] and end.at[0] < start.at[0] - 1


def _arrow(start: Box, end: Box, words: str) -> str:
    (x1, y1), (x2, y2) = _corner(start.at), _corner(end.at)
    if _is_back(start, end):
        far = end.at[0] < start.at[0] - 2
        x1, x2, y1 = x1 + _WIDTH * (0.7 if far else 0.5), x2 + _WIDTH / 2, y1 + _HEIGHT
        low = y1 + (60 if far else 32)
        path = f"M{x1:g} {y1:g} C{x1:g} {low:g} {x2:g} {low:g} {x2:g} {y1:g}"
        where = (x1 + x2) / 2, y1 + 0.75 * (low - y1) + 15  # below the lowest point of the curve
    elif abs(start.at[1] - end.at[1]) < 0.9:
        x1, x2 = (x1 + _WIDTH, x2) if x2 > x1 else (x1, x2 + _WIDTH)
        y1, y2, half = y1 + _HEIGHT / 2, y2 + _HEIGHT / 2, (x1 + x2) / 2
        path, where = f"M{x1:g} {y1:g} C{half:g} {y1:g} {half:g} {y2:g} {x2:g} {y2:g}", (half, (y1 + y2) / 2 - 6)
    else:
        x1, x2 = x1 + _WIDTH / 2, x2 + _WIDTH / 2
        y1, y2 = (y1 + _HEIGHT, y2) if y2 > y1 else (y1, y2 + _HEIGHT)
        half = (y1 + y2) / 2
        path, where = f"M{x1:g} {y1:g} C{x1:g} {half:g} {x2:g} {half:g} {x2:g} {y2:g}", ((x1 + x2) / 2 + 10, half + 4)
    line = f'<path d="{path}" fill="none" stroke="#7a8591" stroke-width="1.4" marker-end="url(#tip)"/>'
    if not words:
        return line
    return (
        f'{line}<text x="{where[0]:g}" y="{where[1]:g}" fill="#46515c" font-size="12" font-weight="600" '
        f'text-anchor="middle">{escape(words)}</text>'
    )


def _key(kinds: Sequence[BoxKind], height: float) -> list[str]:
    """What the colours mean, in a row at the bottom."""
    found, x = [], _EDGE + 8.0
    for kind in kinds:
        colour, means = COLOURS[kind]
        found.append(
            f'<rect x="{x:g}" y="{height - 28:g}" width="13" height="13" rx="3" fill="{colour}"/>'
            f'<text x="{x + 19:g}" y="{height - 17:g}" fill="#46515c" font-size="12">{escape(means)}</text>'
        )
        x += 44 + 6.1 * len(means)
    return found


if __name__ == "__main__":
    for name, picture in PICTURES.items():
        (Path(sys.argv[1]) / f"{name}.svg").write_text(drawn(picture))
