"""Pictures of AWS and of trust are those that stand in the code, and say what infra/ makes."""

from __future__ import annotations

import re

import pytest

from tests.harness.processes import ROOT
from tools.diagrams import AWS, COLOURS, DAY, PICTURES, Box, Picture, drawn

every_picture = pytest.mark.parametrize("name", PICTURES)


@every_picture
def test_a_picture_is_what_is_drawn(name: str) -> None:
    assert (ROOT / "docs" / "img" / f"{name}.svg").read_text() == drawn(PICTURES[name]), "draw it: make rooms"


@every_picture
def test_arrows_lead_from_box_to_box(name: str) -> None:
    picture = PICTURES[name]
    assert {end for a, b, _ in picture.arrows for end in (a, b)} <= picture.boxes.keys()
    assert len({box.at for box in picture.boxes.values()}) == len(picture.boxes)


@every_picture
def test_words_fit_their_boxes(name: str) -> None:
    """In the widest of the fonts that may be there, DejaVu Sans: 8.6 and 6.6 units a letter, of 172."""
    assert [box.title for box in PICTURES[name].boxes.values() if not fits(box)] == []


def fits(box: Box) -> bool:
    return len(box.title) <= 19 and all(len(line) <= 25 for line in box.says) and len(box.says) <= 2


def test_words_that_are_too_long_are_found() -> None:
    assert not fits(Box("EMR Serverless stream", (), (0, 0), "runs"))


@pytest.mark.parametrize("kind", COLOURS)
def test_white_can_be_read_on_every_colour(kind: str) -> None:
    channels = [int(COLOURS[kind][0][at : at + 2], 16) / 255 for at in (1, 3, 5)]  # type: ignore[index]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5


def test_the_picture_of_aws_has_every_module_of_infra() -> None:
    assert {path.name for path in (ROOT / "infra" / "modules").iterdir() if path.is_dir()} == shown(AWS)


def test_the_picture_of_the_day_has_every_state_of_the_workflow() -> None:
    definition = (ROOT / "infra/modules/step-functions/daily.asl.json.tftpl").read_text()
    assert set(re.findall(r'^ +"([^"]+)": \{(?=\n? *"Type")', definition, re.MULTILINE)) == shown(DAY)


def shown(picture: Picture) -> set[str]:
    return {name for box in picture.boxes.values() for name in box.stands_for}


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "SECURITY.md"])
def test_pages_show_the_pictures(page: str) -> None:
    assert [name for name in PICTURES if f"](img/{name}.svg)" in (ROOT / "docs" / page).read_text()]
