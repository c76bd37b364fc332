"""What an exchange does with a connection apart from sending trades: TLS, pings, limits."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import trustme
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from coattail.market import Market
from coattail.market.exchange import HostLimits, Served, serving
from coattail.market.exchange.faults import SlowHandshake
from tests.harness.exchange_clients import heard, say

pytestmark = pytest.mark.slow

Listen = Callable[..., ClientConnection]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA) -> Iterator[tuple[Served, ssl.SSLContext]]:
    """An exchange over TLS, and a client's context that trusts it."""
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    with serving(Market(seed=7), tls=theirs) as served:
        yield served, ours


def test_feed_and_rest_speak_tls(secured: tuple[Served, ssl.SSLContext]) -> None:
    served, trusting = secured
    assert served.binance.websocket_url.startswith("wss://")
    with connect(served.binance.websocket_url + "/ws/btcusdt@trade", ssl=trusting, proxy=None) as client:
        served.binance.release(200)
        expected = served.binance.trades().filter(code="BTCUSDT")["trade_id"].to_list()
        assert [each["t"] for each in heard(client, len(expected))] == expected
    assert httpx.get(served.binance.rest_url + "/api/v3/ping", verify=trusting, trust_env=False).json() == {}


def test_a_certificate_that_is_not_trusted_ends_the_handshake(secured: tuple[Served, ssl.SSLContext]) -> None:
    served, trusting = secured
    with pytest.raises(ssl.SSLError), connect(served.binance.websocket_url + "/ws", proxy=None):
        pass
    assert httpx.get(served.binance.rest_url + "/api/v3/ping", verify=trusting, trust_env=False).json() == {}


def test_a_slow_handshake_delays_the_connection(secured: tuple[Served, ssl.SSLContext]) -> None:
    served, trusting = secured
    served.binance.strike(SlowHandshake(at_trade=0, seconds=60, delay=0.3))
    began = time.monotonic()
    assert httpx.get(served.binance.rest_url + "/api/v3/ping", verify=trusting, trust_env=False).json() == {}
    assert time.monotonic() - began >= 0.3
    with pytest.raises(TimeoutError), connect(served.binance.websocket_url, ssl=trusting, proxy=None, open_timeout=0.1):
        pass


def test_binance_pings_and_ends_connections_that_do_not_answer(listen: Listen) -> None:
    limits = HostLimits(ping_every=0.0, pong_within=1.0)
    with serving(Market(seed=7), limits=limits) as served:
        answering, mute = listen(served.binance, "/ws"), listen(served.binance, "/ws")
        send = mute.protocol.send_frame
        mute.protocol.send_frame = lambda frame: frame.opcode is Opcode.PONG or send(frame)
        with pytest.raises(ConnectionClosed) as end:
            mute.recv(timeout=8)
        assert end.value.rcvd is not None
        assert (end.value.rcvd.code, end.value.rcvd.reason) == (1008, "Pong timeout")
        say(answering, {"method": "LIST_SUBSCRIPTIONS", "id": 1})
        assert heard(answering, 1) == [{"result": [], "id": 1}]
        answering.close()


def test_a_ping_of_the_client_is_answered_with_its_payload(served: Served, listen: Listen) -> None:
    client = listen(served.coinbase)
    assert client.ping(b"abc").wait(5)


@pytest.mark.parametrize(
    ("limits", "venue", "reason"),
    [
        (HostLimits(connection_age=0.0), "binance", ""),
        (HostLimits(coinbase_subscribe_within=0.0), "coinbase", "No subscription"),
    ],
)
def test_old_and_idle_connections_are_closed(limits: HostLimits, venue: str, reason: str) -> None:
    with (
        serving(Market(seed=7), limits=limits) as served,
        connect(served.venues[venue].websocket_url + "/ws", proxy=None) as client,
    ):
        with pytest.raises(ConnectionClosed) as end:
            client.recv(timeout=5)
        assert end.value.rcvd is not None
        assert end.value.rcvd.reason == reason


def test_binance_disconnects_who_sends_too_much(served: Served, listen: Listen) -> None:
    client = listen(served.binance, "/ws")
    for number in range(6):
        say(client, {"method": "LIST_SUBSCRIPTIONS", "id": number})
    with pytest.raises(ConnectionClosed):
        heard(client, 7)


def test_binance_takes_no_more_streams_than_its_limit(listen: Listen) -> None:
    with serving(Market(seed=7), limits=HostLimits(binance_streams=2)) as served:
        with pytest.raises(InvalidStatus):
            listen(served.binance, "/stream?streams=btcusdt@trade/ethusdt@trade/solusdt@trade")
        client = listen(served.binance, "/ws/btcusdt@trade")
        say(client, {"method": "SUBSCRIBE", "params": ["ethusdt@trade", "solusdt@trade"], "id": 1})
        assert heard(client, 1) == [{"error": {"code": 2, "msg": "Invalid request: too many parameters"}, "id": 1}]
        client.close()


def test_too_many_connections_are_refused(listen: Listen) -> None:
    limits = HostLimits(binance_connections=1, coinbase_connections=0.01, coinbase_connections_burst=1)
    with serving(Market(seed=7), limits=limits) as served:
        for venue in served.venues.values():
            client = listen(venue, "/ws")
            with pytest.raises(InvalidStatus) as refused:
                listen(venue, "/ws")
            assert refused.value.response.status_code == 429
            client.close()


def test_a_message_in_fragments_is_one_message(served: Served, listen: Listen) -> None:
    client = listen(served.binance, "/ws")
    client.send(['{"method":"LIST', '_SUBSCRIPTIONS","id":5}'])
    assert heard(client, 1) == [{"result": [], "id": 5}]


def test_the_clock_releases_trades_at_its_pace() -> None:
    with serving(Market(seed=7), speed=600.0, started=False) as served:
        with connect(served.binance.websocket_url + "/ws/btcusdt@trade", proxy=None) as client:
            assert served.binance.released == 0
            began = time.monotonic()
            served.start()
            found = heard(client, 500)
            passed = (found[-1]["T"] - found[0]["T"]) / 1000
            assert passed / (time.monotonic() - began) < 650
        trades = served.binance.trades().filter(code="BTCUSDT")["trade_id"].to_list()
        assert [each["t"] for each in found] == trades[:500]
