"""Every public crypto trade, neither lost nor doubled, and alerts anyone can check. The way of a trade:

1. connectors/  frame -> Trade           one pure normalize() per exchange, one shared I/O shell
2. producer/    Trade -> stream          batching, back-pressure, retry of partial failures, recording
3. streams/     lanes of packed records  here: a folder of segments, each linked into place; on AWS: Kinesis
4. landing/     records -> Landed        decode, checks, dedup by coverage, bars, large trades: pure
5. stores/      Landed -> tables         raw_trades, bars, quality, coverage (Iceberg), dlq/, alerts (Iceberg + hot)
6. detectors/   bars + large trades      -> scores -> alerts: pure
7. engines/     the loop around 3 to 6   live, drain and batch; workspace/ is what people ask, cli/ how they ask it

Imports point upstream only, and `landing` and `detectors` do no I/O. Beside the way: `market/` simulates exchanges
with a known truth, `recordings/` reads sessions recorded earlier. Importing `coattail` starts nothing, reads no
environment and imports nothing else; `Workspace` is loaded when it is asked for.
"""

TYPE_CHECKING = False  # typing's own costs an import
if TYPE_CHECKING:
    from coattail.workspace.bound import Workspace

__all__ = ["Workspace", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "Workspace":
        from coattail.workspace.bound import Workspace

        return Workspace
    raise AttributeError(f"module 'coattail' has no attribute {name!r}")


def load_ipython_extension(shell: object) -> None:
    """`%load_ext coattail`: brings `%%sql`."""
    from coattail.notebooks.magic import SqlMagics

    shell.register_magics(SqlMagics)  # type: ignore[attr-defined]
