"""What AWS charges for a unit of something, from conf/prices.yaml or from a file of yours; no service is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from coattail.config import read_yaml
from coattail.errors import ConfigError

MOST_AGE = timedelta(days=180)
"""After which a price is said to be old."""
DEFAULT_REGION = "us-west-2"
"""Of infra/, as it is where nobody says another."""
YOURS = "yours"
"""The source of a price that somebody gave."""

_FILE = Path(__file__).parent / "conf" / "prices.yaml"
_COUNTED = re.compile(r"(\d+) (.+)")


@dataclass(frozen=True, kw_only=True)
class ListPrice:
    """Of one unit of something, in one region."""

    name: str
    """As in conf/prices.yaml: `kinesis_stream_hour`."""
    service: str
    dollars: float
    """For `count` units."""
    count: int
    unit: str
    of: date
    """The day on which somebody last looked."""
    source: str
    confirmed: str = ""
    """Where else the number stands; empty: it was held against nothing."""

    @property
    def each(self) -> float:
        """Dollars for one unit."""
        return self.dollars / self.count

    @property
    def per(self) -> str:
        """The unit in words: `1,000,000 requests`."""
        return self.unit if self.count == 1 else f"{self.count:,} {self.unit}"


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """Every price of one region."""

    region: str
    lines: Mapping[str, ListPrice]
    """By name."""
    discount: float = 0.0
    """What an agreement takes off each of them: 0.1 for a tenth."""

    def __getitem__(self, name: str) -> ListPrice:
        """With the discount. Raises: KeyError: If there is no such price, which is a mistake of ours."""
        found = self.lines[name]
        return replace(found, dollars=found.dollars * (1 - self.discount))

    @property
    def of(self) -> date:
        """How old they are: the day of the oldest."""
        return min(price.of for price in self.lines.values())

    @property
    def said(self) -> str:
        """Which they are, in words."""
        mine = sum(price.source == YOURS for price in self.lines.values())
        yours = f", {mine} of {len(self.lines)} yours" if mine else ""
        less = f", less {self.discount:.3g} of each" if self.discount else ""
        return f"list prices of {self.region}, {self.of.isoformat()}{yours}{less}"

    def old(self, today: date) -> list[ListPrice]:
        """Those that nobody has looked at for too long."""
        return [price for price in self.lines.values() if today - price.of > MOST_AGE]


def list_prices(region: str) -> PriceTable:
    """AWS' list prices in a region. Raises: ConfigError: If they are not known for it."""
    regions, lines = _listed()
    if region not in regions:
        raise _unknown(region, regions)
    return PriceTable(region=region, lines={name: by[region] for name, by in lines.items()})


def given_prices(file: Path, region: str | None = None, *, today: date, otherwise: str = DEFAULT_REGION) -> PriceTable:
    """List prices with those of a file in their place.

    file: YAML: `region`, `discount` (0.1 takes a tenth off) and `prices`, name -> dollars for as many of the unit as
    conf/prices.yaml says; each may be left out. For a region that is not known here it has to name every price.
    region: None means as the file says, else `otherwise`. today: The date of prices that the file gives.
    Raises: ConfigError: If the file cannot be read, names what does not exist, or lacks what is needed.
    """
    document = read_yaml(file)
    wrong = ConfigError(f"{file} is not a file of prices", next_step=f"write {_FORM}")
    if not isinstance(document, Mapping) or set(document) - {"region", "discount", "prices"}:
        raise wrong
    said, discount = document.get("prices") or {}, document.get("discount", 0)
    if not isinstance(said, Mapping) or not _is_number(discount) or not 0 <= discount < 1:
        raise wrong
    regions, lines = _listed()
    if unknown := sorted(set(said) - set(lines)):
        raise ConfigError(
            f"{file} gives a price for {', '.join(map(str, unknown))}, which does not exist",
            next_step=f"known: {', '.join(lines)}",
        )
    if bad := sorted(name for name, value in said.items() if not _is_number(value) or value < 0):
        raise ConfigError(f"{file}: {bad[0]} = {said[bad[0]]!r} is not a number of dollars", next_step="correct it")
    where = str(region or document.get("region") or otherwise)
    if where not in regions and (lacking := [name for name in lines if name not in said]):
        raise _unknown(where, regions, f"; {file} gives {len(said)} of {len(lines)}, without {', '.join(lacking)}")
    template = {name: by.get(where, by[regions[0]]) for name, by in lines.items()}
    mine = {
        name: replace(template[name], dollars=float(value), of=today, source=YOURS, confirmed=YOURS)
        for name, value in said.items()
    }
    return PriceTable(region=where, lines={**template, **mine}, discount=float(discount))


def known_regions() -> tuple[str, ...]:
    """Regions whose prices are known, the one that is taken for others first."""
    return _listed()[0]


_FORM = "region: eu-central-1, discount: 0.1 and prices: {kinesis_stream_hour: 0.05}; docs/COST.md"


def _unknown(region: str, known: Iterable[str], more: str = "") -> ConfigError:
    return ConfigError(
        f"prices of {region} are not known here{more}",
        next_step=f"known are {' and '.join(known)}: choose one with --region for an idea, or give yours with --rates "
        "FILE (docs/COST.md)",
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@cache
def _listed() -> tuple[tuple[str, ...], dict[str, dict[str, ListPrice]]]:
    """Regions, and by name and region the prices of the package."""
    document: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    regions = tuple(document["regions"])
    return regions, {
        name: {region: _price(name, line, region) for region in regions} for name, line in document["prices"].items()
    }


def _price(name: str, line: Mapping[str, Any], region: str) -> ListPrice:
    dollars = line["dollars"]
    counted = _COUNTED.fullmatch(line["per"])
    count, unit = (int(counted[1]), counted[2]) if counted else (1, line["per"])
    return ListPrice(
        name=name, service=line["service"], dollars=float(dollars[region] if isinstance(dollars, dict) else dollars),
        count=count, unit=unit, of=line["of"], source=line["source"],
        confirmed=line.get("confirmed", {}).get(region, ""),
    )  # fmt: skip
