"""What is asked to change, as settings."""

from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.detectors import detectors_for
from coattail.errors import ConfigError, UsageError
from coattail.home import Home
from coattail.workspace.questions.settings import asked, lines_for_the_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.open(tmp_path / "home", create=True)
    made.config_file.write_text("preset: classic\ndetectors: {volume-anomaly: {z_high: 5}}\n")
    return made


def parameter(settings: object, name: str) -> object:
    return getattr(next(d for d in detectors_for(settings) if d.name == "volume-anomaly"), name)  # type: ignore[arg-type]


def test_what_is_asked_for_stands_beside_the_settings_of_the_home(home: Home) -> None:
    both = asked(home, {"volume-anomaly.z_threshold": 3})
    assert both.original == load_settings(home)
    assert (parameter(both.asked, "z_threshold"), parameter(both.asked, "z_high")) == (3, 5)
    assert lines_for_the_home(both) == "detectors: {volume-anomaly: {z_threshold: 3}}"
    assert lines_for_the_home(asked(home)) == ""


def test_a_value_of_a_sweep_is_on_top_of_what_is_asked_for(home: Home) -> None:
    both = asked(home, {"volume-anomaly.z_threshold": 3})
    tried = both.at("volume-anomaly.minimum_windows", 7)
    assert (parameter(tried, "minimum_windows"), parameter(tried, "z_threshold")) == (7, 3)
    home.config_file.unlink()
    tried = asked(home, preset="default").at("volume-anomaly.high_days", 3)
    assert parameter(tried, "high_days") == 3


@pytest.mark.parametrize(
    ("key", "value", "error", "message"),
    [
        ("volume-anomaly", 3, UsageError, "'volume-anomaly' is not a parameter"),
        ("a.b.c", 3, UsageError, "is not a parameter"),
        ("volume-anomaly.preset", "x", UsageError, "a preset is for all detectors"),
        ("volume-anomaly.z_treshold", 3, ConfigError, "did you mean detectors.volume-anomaly.z_threshold"),
        ("volume-anomaly.minimum_windows", 2.5, ConfigError, "must be a whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(
    home: Home, key: str, value: object, error: type[Exception], message: str
) -> None:
    for ask in (lambda: asked(home, {key: value}), lambda: asked(home).at(key, value)):
        with pytest.raises(error, match=message):
            ask()


def test_a_detector_that_does_not_run_here_is_refused(home: Home) -> None:
    home.config_file.write_text("preset: classic\nmodules: [whale-detector]\n")
    with pytest.raises(UsageError, match="not among the modules here; modules: whale-detector"):
        asked(home, {"volume-anomaly.z_threshold": 3})
