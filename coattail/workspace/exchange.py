"""Exchanges on loopback for a person's own tests: a simulated market, or recordings."""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coattail.errors import UsageError
from coattail.market import CHARACTERS, Market
from coattail.market.exchange import Served, recorded_tapes, serving, simulated_tapes
from coattail.market.exchange.faults import read_faults
from coattail.recordings import Recording
from coattail.recordings.chosen import choose
from coattail.records import micros

_DRAWN_AT_ONCE = timedelta(minutes=1)
"""Market time drawn before the doors open: what drawing takes must not be missing at the opening of a market of now."""
_ENDLESS = timedelta(days=3650)


@contextmanager
def exchanges(
    recordings: Sequence[Path] = (),
    *,
    seed: int = 7,
    rate: float = 1.0,
    character: str = "calm",
    history: timedelta = timedelta(hours=2),
    speed: float = 1.0,
    faults: Path | None = None,
    port: int = 0,
    loop: bool = False,
    certificate: Path | None = None,
    key: Path | None = None,
    deflate: bool = False,
) -> Iterator[Served]:
    """Binance, Coinbase Exchange and Coinbase Advanced Trade on 127.0.0.1 until the block ends; the market is open.

    recordings: Serve their trades; none: a simulated market without end.
    seed, rate, character: Of the simulated market, as `simulate` takes them. At speed 1 it is a market of now; at
        another speed it begins on 2025-03-04, because it would run into the future.
    history: How much of the simulated market is over when the doors open: REST has its trades.
    speed: How many times as fast as real time.
    faults: A fault script (docs/EXCHANGE.md).
    port: The first of them gets this port, the others the next ones; 0: free ports.
    loop: Begin the recordings again when they are over, with further ids and later times.
    certificate, key: Speak TLS with this certificate and its key, both PEM.
    deflate: Accept permessage-deflate.
    Raises: UsageError: If a number is out of range, a file is missing or unfit, or a port is taken.
    """
    if not (math.isfinite(rate) and 0 < rate <= 1_000):
        raise UsageError(f"--rate is {rate:g}", next_step="give a number above 0 and up to 1000")
    if character not in CHARACTERS:
        raise UsageError(f"unknown character {character!r}", next_step=f"known: {', '.join(CHARACTERS)}")
    if not 0 <= port <= 65_000:
        raise UsageError(f"--port is {port}", next_step="give a number from 1 to 65000, or 0 for free ones")
    if loop and not recordings:
        raise UsageError("--loop is for recordings", next_step="leave it out: a simulated market has no end")
    if (certificate is None) != (key is None):
        raise UsageError("a certificate needs its key, and a key its certificate", next_step="give both, or neither")
    opens: datetime | None = None
    if recordings:
        chosen = choose(recordings)
        if chosen.damage is not None:
            raise chosen.damage
        tapes = recorded_tapes([Recording(path) for path in chosen.paths], loop=loop)
    else:
        now = datetime.now(UTC).replace(microsecond=0)
        start = now - history if speed == 1.0 else Market.start
        market = Market(seed=seed, start=start, rate=rate, character=CHARACTERS[character])
        tapes, opens = simulated_tapes(market, start + _ENDLESS), start + history
        if speed == 1.0:
            for tape in tapes.values():
                tape.draw(time=micros(opens + _DRAWN_AT_ONCE))
            opens = datetime.now(UTC)
    steps = read_faults(faults) if faults is not None else ()
    ports = {name: port + place for place, name in enumerate(("binance", "coinbase", "advanced")) if port}
    tls = _context(certificate, key) if certificate is not None and key is not None else None
    with ExitStack() as stack:
        try:
            served = stack.enter_context(
                serving(tapes, opens=opens, speed=speed, faults=steps, ports=ports, tls=tls, deflate=deflate)
            )
        except OSError as error:
            raise UsageError(
                f"a port from {port} on cannot be used ({os.strerror(error.errno) if error.errno else error})",
                next_step="choose another --port, or leave it out",
            ) from error
        yield served


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificate {certificate} with the key {key} cannot be used: {error}",
            next_step="docs/EXCHANGE.md says how to make one",
        ) from error
    return context
