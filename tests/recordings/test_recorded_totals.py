"""Every recording gives exactly the trades that an independent count of it found.

Counts, id ranges, decimal sums and the takers' sales are those of the recordings' own README.
"""

from __future__ import annotations

import gzip
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from coattail.connectors import CONNECTORS
from coattail.connectors.base import UnsupportedMessage
from coattail.errors import DamagedInput
from coattail.producer.replay import replay
from coattail.recordings import RecordedLine, Recording
from coattail.records import Trade
from coattail.streams.local import LocalStream
from coattail.unpacking import decode_pack

# file, symbol, trades, first id, last id, sum of quantity, sum of price x quantity, quantity of m = true, low, high
BINANCE = [
    ("spot_btcusdt_20230405.dat.gz", "BTC-USDT", 3144, 3071245454, 3071248597, "103.85966000",
     "2924624.2078499000000000", "52.99821000", "28150.44000000", "28168.76000000"),
    ("spot_btcusdt_20240808.gz", "BTC-USDT", 9757, 3735683259, 3735693015, "212.03315000",
     "13084074.1123886000000000", "115.38197000", "61583.22000000", "61860.80000000"),
    ("spot_ethusdt_20240808.gz", "ETH-USDT", 6106, 1520538925, 1520545030, "2261.31490000",
     "6066483.2761800000000000", "1308.27900000", "2679.00000000", "2685.37000000"),
    ("usdm_btcusdt_20230404.dat.gz", "BTC-USDT-PERP", 2197, 3535186032, 3535188228, "201.588",
     "5674519.92460", "68.263", "28140.50", "28157.10"),
    ("usdm_btcusdt_20240808.gz", "BTC-USDT-PERP", 21313, 5266583935, 5266605247, "2429.366",
     "149845680.88980", "1177.790", "61590.30", "61839.90"),
]  # fmt: skip


def replayed(path: Path, folder: Path) -> list[Trade]:
    """The trades of a recording as they come out of the stream; none of its frames may be malformed."""
    stream = LocalStream(folder / "stream")
    done = replay([path], stream)
    records = [record for pack in stream.read({}, limit_bytes=1 << 30).packs for record in decode_pack(pack.data)]
    trades = [record for record in records if isinstance(record, Trade)]
    assert (done.trades, done.malformed) == (len(trades), 0)
    assert len(trades) == len(records)
    return trades


@pytest.mark.parametrize(
    ("name", "symbol", "count", "first", "last", "quantity", "notional", "sold", "low", "high"), BINANCE
)
def test_a_binance_recording_gives_exactly_its_totals(
    recordings: Path, tmp_path: Path, name: str, symbol: str, count: int, first: int, last: int,
    quantity: str, notional: str, sold: str, low: str, high: str,
) -> None:  # fmt: skip
    trades = replayed(recordings / "binance-ws" / name, tmp_path)
    assert {trade.symbol for trade in trades} == {symbol}
    assert [trade.trade_id for trade in trades] == list(range(first, last + 1))
    assert len(trades) == count
    figures = [(Decimal(trade.price or "NaN"), Decimal(trade.quantity or "NaN"), trade.side) for trade in trades]
    assert sum(q for _, q, _ in figures) == Decimal(quantity)
    assert sum(p * q for p, q, _ in figures) == Decimal(notional)
    assert sum(q for _, q, side in figures if side == "sell") == Decimal(sold)
    assert sum(q for _, q, side in figures if side == "buy") == Decimal(quantity) - Decimal(sold)
    assert (min(p for p, _, _ in figures), max(p for p, _, _ in figures)) == (Decimal(low), Decimal(high))
    times = [trade.timestamp or 0 for trade in trades]
    assert times == sorted(times)


def test_the_recorder_of_2024_ran_behind_the_exchange_and_every_trade_is_read(recordings: Path, tmp_path: Path) -> None:
    trades = replayed(recordings / "binance-ws" / "spot_btcusdt_20240808.gz", tmp_path)
    lags = [trade.received // 1000 - msgspec.json.decode(trade.payload)["data"]["E"] for trade in trades]
    assert -1277 <= min(lags) <= max(lags) <= -1248
    assert all(trade.received < (trade.timestamp or 0) for trade in trades)


def test_the_busiest_second_of_the_future_has_1647_trades(recordings: Path, tmp_path: Path) -> None:
    trades = replayed(recordings / "binance-ws" / "usdm_btcusdt_20240808.gz", tmp_path)
    seconds = Counter((trade.timestamp or 0) // 1_000_000 for trade in trades)
    assert seconds.most_common(1) == [(1_723_161_502, 1647)]


def test_a_coin_margined_recording_gives_exactly_its_contracts(recordings: Path, tmp_path: Path) -> None:
    trades = replayed(recordings / "binance-ws" / "cm_btcusd_perp_20240808.gz", tmp_path)
    assert {trade.symbol for trade in trades} == {"BTC-USD-PERP"}
    assert [trade.trade_id for trade in trades] == list(range(849714402, 849716687 + 1))
    wire = [msgspec.json.decode(trade.payload)["data"] for trade in trades]
    contracts = [int(message["q"]) for message in wire]
    prices = [Decimal(trade.price or "NaN") for trade in trades]
    assert sum(contracts) == 83241
    assert sum(p * q for p, q in zip(prices, contracts, strict=True)) == Decimal("5134772336.7")
    assert sum(q for q, trade in zip(contracts, trades, strict=True) if trade.side == "sell") == 47638
    assert (min(prices), max(prices)) == (Decimal("61610.0"), Decimal("61845.0"))
    assert [Decimal(trade.quote_volume or "NaN") for trade in trades] == [100 * q for q in contracts]
    half = Decimal("0.000000005")
    for price, count, trade in zip(prices, contracts, trades, strict=True):
        assert abs(Fraction(trade.quantity or "0") - Fraction(100 * count) / Fraction(price)) <= Fraction(half)


@pytest.mark.parametrize(
    ("name", "exchange", "trades", "frames", "asides"),
    [
        ("BINANCE-ee25be.0.gz", "binance", 1910, 1910 + 2688 + 118, 4),
        ("BINANCE_US-63b290.0.gz", "binance_us", 188, 188 + 2624 + 3196, 12),
        ("BINANCE.jsonl.zst", "binance", 2, 265, 7),
        ("BINANCE.0.gz", "binance", 0, 0, 2),
        ("COINBASE.0.gz", "coinbase", 0, 0, 2),
        ("COINBASE.ws.28.0.gz", "coinbase", 97 + 10, 97 + 10 + 3 + 107 + 10 + 9719, 4),
    ],
)
def test_a_cryptofeed_capture_gives_exactly_its_counts(
    recordings: Path, tmp_path: Path, name: str, exchange: str, trades: int, frames: int, asides: int
) -> None:
    path = recordings / "cryptofeed-raw" / name
    kinds = Counter(frame.kind for frame in Recording(path).frames())
    assert (kinds["message"], kinds["aside"], kinds["garbage"]) == (frames, asides, 0)
    landed = replayed(path, tmp_path)
    assert len(landed) == trades
    assert {trade.exchange for trade in landed} <= {exchange}
    assert all(trade.symbol and "-" in trade.symbol for trade in landed)


def test_the_aggregates_of_2021_are_contiguous_and_name_three_pairs(recordings: Path, tmp_path: Path) -> None:
    trades = replayed(recordings / "cryptofeed-raw" / "BINANCE-ee25be.0.gz", tmp_path)
    assert {trade.symbol for trade in trades} == {"BTC-USDT", "ETH-USDT", "DOT-USDT"}
    for symbol in ("BTC-USDT", "ETH-USDT", "DOT-USDT"):
        spans = [(t.trade_id or 0, t.last_trade_id or t.trade_id or 0) for t in trades if t.symbol == symbol]
        assert all(after[0] == before[1] + 1 for before, after in pairwise(spans))


def test_every_last_match_of_the_coinbase_capture_is_a_trade_too(recordings: Path, tmp_path: Path) -> None:
    trades = replayed(recordings / "cryptofeed-raw" / "COINBASE.ws.28.0.gz", tmp_path)
    repeats = [trade for trade in trades if '"type":"last_match"' in trade.payload]
    assert (len(trades), len(repeats), len({trade.symbol for trade in repeats})) == (107, 10, 10)


def test_the_advanced_trade_capture_gives_every_trade_of_both_products(recordings: Path, tmp_path: Path) -> None:
    path = recordings / "cryptofeed-raw" / "COINBASE.jsonl.zst"
    trades = replayed(path, tmp_path)
    assert len(trades) == 279
    for symbol, first, last in (("BTC-USD", 1068571991, 1068572137), ("ETH-USD", 833140679, 833140810)):
        assert sorted(t.trade_id or 0 for t in trades if t.symbol == symbol) == list(range(first, last + 1))
    assert Counter(trade.side for trade in trades) == {"buy": 154, "sell": 125}


def test_the_book_of_the_advanced_trade_capture_proves_whose_side_is_sent(recordings: Path, tmp_path: Path) -> None:
    """A taker who bought paid the best ask: the book just before each trade, from the same capture, says which."""
    path = recordings / "cryptofeed-raw" / "COINBASE.jsonl.zst"
    connector = CONNECTORS["coinbase"]()
    events: list[tuple[str, int, Trade | dict[str, str]]] = []
    products: dict[int, str] = {}
    for frame in Recording(path).frames():
        if frame.kind != "message":
            continue
        message = msgspec.json.decode(frame.data)
        if message.get("channel") == "l2_data":
            for event in message["events"]:
                for level in event["updates"]:
                    products[id(level)] = event["product_id"]
                    events.append((_padded(level["event_time"]), 1, level))
        elif b'"type":"update"' in frame.data:
            for trade in connector.normalize(frame.data, frame.received):
                events.append((_padded(msgspec.json.decode(trade.payload)["time"]), 0, trade))
    books: dict[str, dict[str, set[Decimal]]] = {p: {"bid": set(), "offer": set()} for p in ("BTC-USD", "ETH-USD")}
    seen: Counter[tuple[str | None, str]] = Counter()
    for _, _, event in sorted(events, key=lambda event: event[:2]):
        if isinstance(event, Trade):
            book, price = books[event.symbol or ""], Decimal(event.price or "NaN")
            if book["bid"] and book["offer"]:
                place = "ask" if price >= min(book["offer"]) else "bid" if price <= max(book["bid"]) else "between"
                seen[event.side, place] += 1
            continue
        levels, price = books[products[id(event)]][event["side"]], Decimal(event["price_level"])
        (levels.discard if Decimal(event["new_quantity"]) == 0 else levels.add)(price)
    assert seen == {("buy", "ask"): 49, ("sell", "bid"): 28, ("buy", "between"): 1}


def _padded(time: str) -> str:
    return time.removesuffix("Z").ljust(26, "0")


@pytest.mark.parametrize(
    ("name", "first", "asides"),
    [("gdax_match_20180417.csv.gz", 41766821, 0), ("gdax_raw_all_types_20180417.csv.gz", 41766820, 18093 + 3)],
)
def test_the_flattened_feed_of_2018_gives_its_matches_without_a_gap(
    recordings: Path, tmp_path: Path, name: str, first: int, asides: int
) -> None:
    path = recordings / "coinbase-ws-2018" / name
    assert Counter(frame.kind for frame in Recording(path).frames())["aside"] == asides
    trades = replayed(path, tmp_path)
    assert [trade.trade_id for trade in trades] == list(range(first, 41767076 + 1))
    assert {trade.symbol for trade in trades} == {"BTC-USD"}


def test_both_files_of_2018_rebuild_the_same_256_messages(recordings: Path, tmp_path: Path) -> None:
    folder = recordings / "coinbase-ws-2018"
    (tmp_path / "a").mkdir()
    clean = replayed(folder / "gdax_match_20180417.csv.gz", tmp_path / "a")
    mixed = replayed(folder / "gdax_raw_all_types_20180417.csv.gz", tmp_path)
    assert [trade.payload for trade in clean] == [trade.payload for trade in mixed[1:]]


def test_every_trading_pair_of_binance_splits_as_the_exchange_says(recordings: Path) -> None:
    with gzip.open(recordings / "cryptofeed-raw" / "BINANCE.0.gz") as file:
        body = file.readline().partition(b" -> ")[2].partition(b": ")[2]
    pairs = [pair for pair in msgspec.json.decode(body)["symbols"] if pair["status"] == "TRADING"]
    assert len(pairs) > 1000
    listing = CONNECTORS["binance"].listing
    wrong = {
        pair["symbol"]: symbol
        for pair in pairs
        if (symbol := listing(pair["symbol"], "spot").symbol) != f"{pair['baseAsset']}-{pair['quoteAsset']}"
    }
    assert wrong == {}


def test_a_cut_copy_of_a_recording_gives_a_prefix_of_its_trades(recordings: Path, tmp_path: Path) -> None:
    whole = (recordings / "binance-ws" / "usdm_btcusdt_20230404.dat.gz").read_bytes()
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    frames: list[RecordedLine] = []
    with pytest.raises(DamagedInput, match="ends before its gzip data do"):
        frames.extend(Recording(cut).frames())  # keeps what came before the error
    normalize = CONNECTORS["binance"]().normalize
    ids = [trade.trade_id for frame in frames for trade in normalize(frame.data, frame.received)]
    assert len(ids) > 500
    assert ids == list(range(3535186032, 3535186032 + len(ids)))


def test_no_recorded_frame_of_any_kind_is_malformed(recordings: Path) -> None:
    for path in sorted((recordings / "binance-ws").glob("*.gz"))[:2]:
        connector = CONNECTORS["binance"]()
        for frame in Recording(path).frames():
            try:
                connector.normalize(frame.data, frame.received)
            except UnsupportedMessage:
                continue
