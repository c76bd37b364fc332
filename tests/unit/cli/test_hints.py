from pathlib import Path

import pytest

from coattail.cli import hints


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COATTAIL_HOME", raising=False)
    monkeypatch.setattr(hints, "program", lambda: "coattail")


def test_a_hint_names_the_home_only_where_it_would_not_be_found(tmp_path: Path) -> None:
    assert hints.line(tmp_path / ".coattail", "alerts") == "coattail alerts"
    assert hints.line(tmp_path / "other", "alerts") == "coattail --home other alerts"
    assert hints.line(Path("/elsewhere/my home"), "alerts") == 'coattail --home "/elsewhere/my home" alerts'


def test_a_hint_names_the_place_that_was_chosen(tmp_path: Path) -> None:
    token = hints.CHOSEN.set(["--place", "aws"])
    assert hints.line(tmp_path / ".coattail", "alerts") == "coattail --place aws alerts"
    hints.CHOSEN.reset(token)


def test_a_query_can_be_copied_into_a_shell() -> None:
    assert hints.line(Path(".coattail"), "sql", "SELECT 'a'") == "coattail sql \"SELECT 'a'\""
    assert hints.line(Path(".coattail"), "sql", 'SELECT "$x"') == "coattail sql 'SELECT \"$x\"'"
