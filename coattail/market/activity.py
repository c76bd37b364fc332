"""How busy a lively market is, by the second: the day's wave, and a memory of minutes.

The memory is a sum of decayed shocks. Shocks are drawn per chunk, so any chunk knows those before it without drawing
the market up to there.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from coattail.market.character import Character
from coattail.market.instruments import SimulatedInstrument
from coattail.market.prices import CHUNK_SECONDS, Floats, Ints
from coattail.market.randomness import generator

_MINUTES = CHUNK_SECONDS // 60
_FORGOTTEN = 3e-3
_BEFORE = 10_000
"""Added to the number of a chunk, so that those before the first have shocks too."""
_BUMP_HOURS = 1.5
_MIDDLES = (np.arange(CHUNK_SECONDS) + 0.5) / 60
_OFFSETS = np.arange(CHUNK_SECONDS) * 1_000_000
_DAY_US = 86_400_000_000


def intensity(seed: int, character: Character, instrument: SimulatedInstrument, chunk: int, start: int) -> Floats:
    """Activity per second of the chunk that begins at `start` (µs since 1970 UTC), as a multiple of the usual."""
    own = 1.0 - sum(character.shared)
    level = _exp(seed, character, chunk, start, ((instrument.key, own), *_common(character, instrument.asset.name)))
    return (
        level * np.exp(by_hours(seed, character, instrument.key, start + _OFFSETS)) if character.hours_sigma else level
    )


def asset_activity(seed: int, character: Character, asset: str, chunk: int, start: int) -> Floats:
    """What of the activity all instruments of an asset have in common."""
    return _exp(seed, character, chunk, start, _common(character, asset))


def _common(character: Character, asset: str) -> tuple[tuple[str, float], ...]:
    return (("all", character.shared[0]), (f"asset:{asset}", character.shared[1]))


@lru_cache(maxsize=64)
def _exp(seed: int, character: Character, chunk: int, start: int, parts: tuple[tuple[str, float], ...]) -> Floats:
    """The exponential of the day's wave and of the parts (name, share of variance), with mean 1 over a day."""
    variance = character.activity_sigma**2 * sum(share for _, share in parts)
    minutes = np.arange(_MINUTES + 1)
    log = day_wave(character, start / 3.6e9 + minutes / 60) - variance / 2
    for name, share in parts:
        weight = character.activity_sigma * math.sqrt(share)
        log = log + weight * remembered(seed, f"activity:{name}", chunk, character.activity_memory)
    level: Floats = np.exp(np.interp(_MIDDLES, minutes, log))
    level.flags.writeable = False
    return level


def day_wave(character: Character, hours: Floats) -> Floats:
    """Log activity by hour since any midnight UTC; its exponential has mean 1 over a day."""
    raw: Floats = _wave(character, hours) - _level(character)
    return raw


def _wave(character: Character, hours: Floats) -> Floats:
    wave = character.day_cycle * np.cos((hours - 15) * (math.pi / 12))
    for hour, height in character.sessions:
        apart = (hours - hour + 12) % 24 - 12
        wave = wave + height * np.exp(-0.5 * (apart / (_BUMP_HOURS / 2)) ** 2)
    return wave


@lru_cache(maxsize=16)
def _level(character: Character) -> float:
    return math.log(float(np.exp(_wave(character, np.arange(0, 24, 0.05))).mean()))


def by_hours(seed: int, character: Character, key: str, time: Ints) -> Floats:
    """Log activity that changes over hours, at times of one day (µs since 1970 UTC); its exponential has mean 1."""
    day = int(time[0]) // _DAY_US
    at = np.interp((time - day * _DAY_US) / 3.6e9, np.arange(25), _hours(seed, key, day, character.hours_memory))
    log: Floats = character.hours_sigma * at - character.hours_sigma**2 / 2
    return log


@lru_cache(maxsize=256)
def _hours(seed: int, key: str, day: int, memory: float) -> Floats:
    """At every hour of a day, and at its end: shocks decayed by `memory` an hour, variance 1."""
    back = math.ceil(math.log(_FORGOTTEN) / math.log(memory))
    days = range(day - math.ceil(back / 24), day + 2)
    drawn = np.concatenate([generator(seed, f"hours:{key}", d + _BEFORE).standard_normal(24) for d in days])
    return decayed(drawn, memory, back)[-48:-23]


def decayed(shocks: Floats, memory: float, back: int) -> Floats:
    """Sums of each shock and the `back` - 1 before it, decayed by `memory` a step, with variance 1."""
    weights = memory ** np.arange(back)
    sums: Floats = np.convolve(shocks, weights / math.sqrt(float((weights**2).sum())), "valid")
    return sums


@lru_cache(maxsize=256)
def remembered(seed: int, name: str, chunk: int, memory: float) -> Floats:
    """At the beginning of every minute of a chunk, and at its end: shocks decayed by `memory` a minute, variance 1."""
    back = math.ceil(math.log(_FORGOTTEN) / math.log(memory))
    chunks = range(chunk - math.ceil(back / _MINUTES), chunk + 2)
    drawn = np.concatenate([_shocks(seed, name, c) for c in chunks])
    sums = decayed(drawn, memory, back)
    first = len(sums) - 2 * _MINUTES
    values: Floats = sums[first : first + _MINUTES + 1]
    values.flags.writeable = False
    return values


@lru_cache(maxsize=1024)
def _shocks(seed: int, name: str, chunk: int) -> Floats:
    return generator(seed, f"shocks:{name}", chunk + _BEFORE).standard_normal(_MINUTES)
