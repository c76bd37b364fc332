"""Evidence: exchanges on loopback that speak the real ones' protocols and serve trades whose truth is known.

```
with serving(Market(seed=7), speed=60.0) as served:
    served.binance.websocket_url, served.binance.rest_url       what a client is pointed at
    served.coinbase.trades()                                    the truth so far
with serving(Market(seed=7)) as served:                         no speed: trades come when they are released
    served.binance.release(1000)
```
"""

from coattail.market.exchange.limits import HostLimits
from coattail.market.exchange.recorded import recorded_tapes
from coattail.market.exchange.serving import Exchanges, Served, ServedVenue, serving
from coattail.market.exchange.simulated import simulated_tapes
from coattail.market.exchange.tape import ListedInstrument, TradeTape

__all__ = [
    "Exchanges",
    "HostLimits",
    "ListedInstrument",
    "Served",
    "ServedVenue",
    "TradeTape",
    "recorded_tapes",
    "serving",
    "simulated_tapes",
]
