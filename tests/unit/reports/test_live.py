"""What report.js gets: figures without links, in the page's own colours."""

import base64
import json
import re
import zlib
from typing import Any

import pytest

from coattail.charts.chart import Candle, Chart, Lane, Line, Mark, Panels, Shade
from coattail.charts.colours import ACCENT, ACCENT_ON_DARK, PAPER_DARK
from coattail.reports.live import COLOURS, LiveFigure, figure_in_page, packed_figures, style

MINUTE = 60_000
LINKS = [
    '<a href="http://evil.example">x</a>', "<img src=http://evil.example>", "<script>alert(1)</script>",
    "<A HREF=javascript:alert(1)>x", "<b onmouseover=alert(1)>x</b>", "<span style='fill:url(http://evil)'>x</span>",
]  # fmt: skip


def unpacked(figures: list[LiveFigure]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed_figures(figures)), -zlib.MAX_WBITS))
    return found


def chart() -> Chart:
    return Chart(
        title="A", alt="A price.", unit="dollars", since=0, until=20 * MINUTE, bar_ms=MINUTE, baseline=2.0,
        candles=[Candle(x=0, open=1.0, high=4.0, low=0.5, close=3.0)],
        lines=[Line(name=f"n{n}", tint=n, x=[MINUTE * m for m in range(12)], y=[1.0] * 12) for n in range(6)],
        shades=[Shade(since=0, until=MINUTE, kind=kind, label="", instrument=("a", "b"))
                for kind in ("gap", "unobserved", "rejected")],
        marks=[Mark(x=MINUTE, y=3.0, kind=kind, label="x")
               for kind in ("critical", "high", "medium", "low", "buy", "sell", "traded")],
    )  # fmt: skip


def test_every_colour_of_our_figures_becomes_one_of_the_page_that_both_modes_define() -> None:
    lane = Lane(name="a", stretches=[(0, 1, "live"), (1, 2, "gap"), (2, 3, "fetched"), (3, 4, "unobserved")])
    strips = Chart(title="B", alt="B.", unit="", since=0, until=9, lanes=[lane], height=60)
    said = json.dumps([Panels((chart(), strips)).figure(), figure_in_page(chart()).figure])
    used = set(re.findall(r"#[0-9a-f]{3,8}\b|rgba?\([^)]*\)", said)) - {"rgba(0,0,0,0)"}
    assert used
    assert used <= COLOURS.keys()
    light, dark = re.findall(r":root \{(.*?)\}", style(), re.DOTALL)[:2]
    for name in COLOURS.values():
        assert f"--{name}:" in light
        assert f"--{name}:" in dark
    assert f"--accent: {ACCENT};" in light
    assert f"--accent: {ACCENT_ON_DARK};" in dark
    assert f"--paper: {PAPER_DARK};" in dark


def test_times_are_said_as_steps_and_a_hole_in_them_stays() -> None:
    line = Line(name="n", tint=0, x=[0, 1000, 2000, 9000, *range(10_000, 15_000, 1000)], y=[1.0] * 9)
    (read,) = unpacked([figure_in_page(Chart(title="A", alt="A.", unit="", since=0, until=20_000, lines=[line]))])[
        "charts"
    ]
    assert read["figure"]["data"][0]["x"] == {"steps": [0, 1000, 2, 7000, 1, 1000, 5]}
    assert read["alt"] == "A."


@pytest.mark.parametrize("evil", LINKS)
def test_no_text_of_a_figure_is_a_link_or_a_picture(evil: str) -> None:
    figure = {
        "data": [{"type": "scatter", "name": evil, "text": [evil], "hovertemplate": f"%{{y}}<extra>{evil}</extra>",
                  "customdata": [[evil]], evil: evil}],
        "layout": {"title": {"text": evil}, "annotations": [{"text": f"<b>ok</b><br>{evil}"}],
                   "images": [{"source": "http://evil.example/x.png"}, {"source": "data:image/png;base64,AA=="}]},
    }  # fmt: skip
    (read,) = unpacked([LiveFigure(figure, "")])["charts"]
    said = read["figure"]
    texts = json.dumps([said["data"][0]["name"], said["data"][0]["text"], said["layout"]["title"]])
    assert "<" not in texts.replace("</b>", "")
    assert said["layout"]["annotations"][0]["text"].startswith("<b>ok</b><br>&lt;")
    assert said["layout"]["images"] == [{}, {"source": "data:image/png;base64,AA=="}]
    assert said["data"][0]["hovertemplate"].startswith("%{y}<extra>&lt;")


def test_the_bundle_that_a_figure_needs_follows_from_its_traces() -> None:
    assert LiveFigure({"data": [{"type": "heatmap"}, {}]}, "").kinds == {"heatmap", "scatter"}
