"""What `coattail run` shows, as a picture: docs/img/run.svg.

python -m tools.live_picture docs/img/run.svg [--seconds 45]

It listens to a simulated market of now on loopback whose connections are reset after ten seconds, so the picture shows
trades that were missed and fetched, too.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

from coattail.alerts import DISCLAIMER
from coattail.cli.board import Board
from coattail.cli.screen import Screen
from coattail.workspace.running import Processes, parts_of

WIDTH = 128
FAULTS = "- {at_second: 10, do: reset}\n- {at_second: 10, do: refuse, for: 3}\n"


class _Kept(Screen):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(silent=True)
        self.lines: list[str] = []
        self._coloured = True

    def say(self, line: str = "") -> None:
        self.lines.append(line)


def picture(seconds: float) -> str:
    """The last board of a run of this length, as SVG."""
    with tempfile.TemporaryDirectory() as folder:
        faults = Path(folder, "faults.yaml")
        faults.write_text(FAULTS)
        serving = [sys.executable, "-m", "coattail", "exchange", "serve", "--faults", str(faults), "--json"]
        with subprocess.Popen([*serving, "--character", "lively", "--rate", "8"], stdout=subprocess.PIPE) as exchange:
            assert exchange.stdout is not None
            served = json.loads(exchange.stdout.readline())["exchanges"]
            hosts = {
                name: {"websocket_host": served[name]["websocket"], "rest_host": served[name]["rest"]}
                for name in ("binance", "coinbase")
            }
            config = Path(folder, "loopback.yaml")
            config.write_text(json.dumps({"exchanges": hosts}))
            shared = ["--home", str(Path(folder, "home")), "--config", str(config)]
            kept, stop = _Kept(), threading.Event()
            board = Board(kept)
            threading.Timer(seconds, stop.set).start()
            subprocess.run([sys.executable, "-m", "coattail", "init", *shared], check=True, stdout=subprocess.DEVNULL)
            drawn: list[RenderableType] = []
            threading.Timer(seconds - 0.5, lambda: drawn.append(board.drawn())).start()
            Processes(parts_of(shared, [], []), board.heard, board.trouble).run(stop)
            exchange.terminate()
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ coattail run", style="bold"))
    for line in kept.lines[-6:]:
        console.print(Text.from_ansi(line))
    console.print(*drawn)
    console.print(Text(DISCLAIMER, style="dim"))
    return console.export_svg(title="a simulated market on loopback")


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=45.0)
    given = parser.parse_args()
    given.out.write_text(picture(given.seconds))


if __name__ == "__main__":
    main()
