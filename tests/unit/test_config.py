from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coattail.config import Settings, load_settings
from coattail.connectors import CONNECTORS
from coattail.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Detector:
    z_threshold: float = 2.5
    baseline: timedelta = timedelta(hours=1)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def source_of(settings: Settings, key: str) -> tuple[object, str]:
    return next((value, source) for name, value, source in settings.explain() if name == key)


def failure(**sources: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, **sources)  # type: ignore[arg-type]
    return str(caught.value)


def test_the_defaults_are_typed() -> None:
    settings = load_settings(None)
    assert (settings.tier, settings.preset) == ("small", "default")
    assert settings.modules == ("volume-anomaly", "whale-detector", "spread-calculator")
    assert settings.time.lateness + settings.time.idle_limit + timedelta(seconds=60) <= timedelta(seconds=90)
    assert settings.engine.trigger == timedelta(seconds=2)
    assert settings.engine.batch_bytes == 2 << 20
    assert settings.quality.symbols is None
    assert settings.quality.earliest == datetime(2009, 1, 3, tzinfo=UTC)
    assert settings.hot.ttl == timedelta(days=1)


def test_each_source_overrides_the_one_before_and_is_named(tmp_path: Path) -> None:
    write(
        tmp_path / "coattail.yaml", "time: {lateness: 1s, idle_limit: 2s}\nengine: {trigger: 3s, keep_snapshots: 7}\n"
    )
    mine = write(tmp_path / "mine.yaml", "time: {lateness: 11s}\nengine: {trigger: 13s}\n")
    settings = load_settings(tmp_path, config_file=mine, overrides={"engine.trigger": timedelta(seconds=23)})
    assert settings.engine.trigger == timedelta(seconds=23)
    assert source_of(settings, "engine.trigger") == ("23s", "flag")
    assert source_of(settings, "time.lateness") == ("11s", str(mine))
    assert source_of(settings, "time.idle_limit") == ("2s", str(tmp_path / "coattail.yaml"))
    assert source_of(settings, "modules")[1] == "tier small"
    assert source_of(settings, "stream.retention") == ("1h", "package defaults")


def test_every_key_is_explained_once_in_order() -> None:
    keys = [key for key, _, _ in load_settings(None).explain()]
    assert keys == sorted(set(keys))
    assert {"tier", "preset", "modules", "quality.symbols"} <= set(keys)


def test_the_tier_is_chosen_by_the_last_source_that_names_one(tmp_path: Path) -> None:
    write(tmp_path / "coattail.yaml", "tier: nonsense\n")
    assert load_settings(tmp_path, tier="small").tier == "small"
    assert source_of(load_settings(tmp_path, "small"), "tier") == ("small", "--tier")


def test_a_list_is_replaced_and_a_mapping_is_merged(tmp_path: Path) -> None:
    write(tmp_path / "coattail.yaml", "modules: [whale-detector]\ndetectors: {a: {x: 1, y: 2}, b: {x: 3}}\n")
    settings = load_settings(tmp_path, overrides={"detectors.a.y": 7, "quality.symbols": ["BTC-USDT"]})
    assert settings.modules == ("whale-detector",)
    assert settings.quality.symbols == ("BTC-USDT",)
    assert settings.detectors == {"a": {"x": 1, "y": 7}, "b": {"x": 3}}


@pytest.mark.parametrize("empty", ["{}", ""])
def test_an_empty_mapping_is_kept_and_takes_nothing_away(tmp_path: Path, empty: str) -> None:
    write(tmp_path / "coattail.yaml", "detectors: {a: {x: 1}}\n")
    mine = write(tmp_path / "mine.yaml", f"detectors:\n  a: {empty}\n  whale: {empty}\n")
    settings = load_settings(tmp_path, config_file=mine)
    assert settings.detectors == {"a": {"x": 1}, "whale": {}}
    assert settings.parameters("whale", Detector) == {}
    over = load_settings(None, config_file=mine, overrides={"detectors.whale.x": 2})
    assert over.detectors == {"a": {}, "whale": {"x": 2}}


@pytest.mark.parametrize("key", ["emr"])
def test_settings_that_nothing_reads_are_refused(key: str) -> None:
    assert f"unknown setting {key}" in failure(overrides={key: {"binance": 1}})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("time: {latness: 5s}", ["time.latness = '5s'", "did you mean time.lateness?", "idle_limit"]),
        ("lateness: 5s", ["unknown setting lateness", "did you mean time.lateness?"]),
        ("quality: {symbol: [A-B]}", ["quality.symbol", "did you mean quality.symbols?"]),
        ("nonsense: 1", ["unknown setting nonsense = 1", "known keys: tier, preset"]),
        ("time: {lateness: 10}", ["time.lateness = 10", "must be a duration like"]),
        ("engine: {keep_snapshots: 0}", ["engine.keep_snapshots = 0", "must be above zero"]),
        ("engine: {batch_bytes: 8 MB}", ["engine.batch_bytes = '8 MB'", "8 MiB"]),
        ("quality: {symbols: [BTCUSDT]}", ["quality.symbols = ['BTCUSDT']", "like BTC-USDT"]),
        ("modules: whale-detector", ["modules = 'whale-detector'", "must be a list"]),
        ("preset: 7", ["preset = 7", "must be text"]),
        ("time: 5s", ["time = '5s'", "must be a mapping"]),
        ("[1, 2]", ["must be a mapping"]),
        ("time: {lateness: 5s", ["not valid YAML at line"]),
        ("tier: huge", ["unknown tier 'huge'", "choose one of: large, medium, small"]),
        ("preset: classy", ["unknown preset 'classy'", "choose one of: classic"]),
    ],
)
def test_a_mistake_names_its_file_key_and_value_and_the_way_out(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write(tmp_path / "mine.yaml", text + "\n")
    message = failure(config_file=path)
    for part in [str(path), *parts]:
        assert part in message


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    assert f"no configuration file {tmp_path / 'none.yaml'}" in failure(config_file=tmp_path / "none.yaml")


def test_a_folder_as_configuration_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path} cannot be read" in failure(config_file=tmp_path)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", "# nothing\ntime:\ndetectors:\n")
    assert load_settings(None, config_file=path) == load_settings(None)


def parameters(detectors: Mapping[str, object]) -> dict[str, object]:
    settings = load_settings(None, overrides={"detectors": detectors})
    return settings.parameters("volume-anomaly", Detector)


def test_parameters_of_a_detector_are_typed_by_its_fields() -> None:
    given = {"volume-anomaly": {"z_threshold": 3, "baseline": "2h"}, "whale-detector": {"medium": 1}}
    assert parameters(given) == {"z_threshold": 3.0, "baseline": timedelta(hours=2)}
    assert parameters({}) == {}


def test_a_parameter_for_the_active_preset_counts_and_beats_one_for_all() -> None:
    assert parameters({"volume-anomaly": {"z_threshold": {"default": 4.0, "classic": 5.0}}}) == {"z_threshold": 4.0}


def test_a_later_value_for_all_presets_replaces_the_earlier_ones_for_each(tmp_path: Path) -> None:
    write(tmp_path / "coattail.yaml", "detectors: {volume-anomaly: {z_threshold: {default: 4.0}}}\n")
    settings = load_settings(tmp_path, overrides={"detectors.volume-anomaly.z_threshold": 5.0})
    assert settings.parameters("volume-anomaly", Detector) == {"z_threshold": 5.0}


def test_an_unknown_or_unfit_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"detectors\.volume-anomaly\.z_treshold.*did you mean .*z_threshold"):
        parameters({"volume-anomaly": {"z_treshold": 3}})
    with pytest.raises(ConfigError, match=r"detectors\.volume-anomaly\.baseline = 7 .*duration"):
        parameters({"volume-anomaly": {"baseline": 7}})


def test_hosts_of_exchanges_are_read_and_those_left_out_are_the_exchanges_own(tmp_path: Path) -> None:
    write(tmp_path / "coattail.yaml", "exchanges: {binance: {rest_host: 'http://127.0.0.1:8080'}, coinbase: {}}\n")
    settings = load_settings(tmp_path, overrides={"exchanges.coinbase.websocket_host": "wss://127.0.0.1:1/feed"})
    own = load_settings(None).exchanges
    assert settings.exchanges["binance"] == replace(own["binance"], rest_host="http://127.0.0.1:8080")
    assert settings.exchanges["coinbase"] == replace(own["coinbase"], websocket_host="wss://127.0.0.1:1/feed")
    assert all(settings.rest_host is settings.websocket_host is None for settings in own.values())


def test_every_exchange_that_is_heard_by_default_exists_and_can_be_listened_to() -> None:
    for name, own in load_settings(None).exchanges.items():
        assert CONNECTORS[name](symbols=own.symbols).subscriptions()


@pytest.mark.parametrize("host", ["api.binance.com", "ftp://x", "https://", "https://a b", "wss://stream.binance.com"])
def test_a_rest_host_without_scheme_or_host_is_refused(host: str) -> None:
    told = failure(overrides={"exchanges.binance.rest_host": host})
    assert f"exchanges.binance.rest_host = {host!r} in flag must begin with https:// or http:// and name a host" in told


def test_an_unknown_key_of_an_exchange_names_the_known_ones() -> None:
    told = failure(overrides={"exchanges.binance.rest": "https://x"})
    assert "did you mean" in told
    assert "rest_host" in told
