"""A chart shows itself: live in Lab, as a drawing elsewhere, as words to whoever cannot see it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import plotly.graph_objects as go
import pytest

from coattail.alerts import DISCLAIMER
from coattail.charts.axis import Axis
from coattail.charts.chart import Bar, Candle, Chart, Lane, Level, Line, Mark, Panels, Shade
from coattail.charts.colours import ACCENT, ACCENT_ON_DARK, NAMED, PAPER_DARK, TINTS
from coattail.charts.mark import CORNERS, SIDE, mark
from coattail.charts.svg import drawing_style

MINUTE = 60_000
EVIL = '<a href="http://evil.example">x</a><script>alert(1)</script>%{y}'


def chart(text: str = "BTC-USD") -> Chart:
    return Chart(
        title=text, alt=f"{text}, a price.", unit=text, since=0, until=10 * MINUTE, bar_ms=MINUTE, baseline=2.0,
        candles=[Candle(x=0, open=1.0, high=4.0, low=0.5, close=3.0),
                 Candle(x=MINUTE, open=3.0, high=3.0, low=1.0, close=1.0)],
        bars=[Bar(x=0, y=2.0, tint=1)],
        lines=[Line(name=text, tint=0, x=[0, MINUTE], y=[1.0, None]),
               Line(name="other", tint=1, x=[0], y=[2.0], faint=True)],
        shades=[Shade(since=0, until=MINUTE, kind="gap", label=text, instrument=("a", text))],
        marks=[Mark(x=MINUTE, y=3.0, kind="critical", label=text)],
    )  # fmt: skip


def lanes(text: str = "binance BTC-USD") -> Chart:
    lane = Lane(name=text, stretches=[(0, MINUTE, "live"), (MINUTE, 2 * MINUTE, "gap")])
    return Chart(title=text, alt=f"{text} over time.", unit="", since=0, until=10 * MINUTE, lanes=[lane], height=60)


def curve(text: str = "budget") -> Chart:
    return Chart(
        title=text, alt=f"{text}, a curve.", unit="%", since=0.1, until=1000, x=Axis(kind="log", name=text),
        lines=[Line(name=text, tint=0, x=[0.5, 5, 500], y=[10, 20, 90])], levels=[Level(at=50, label=text)],
        marks=[Mark(x=5, y=20, kind="c3", label=text, interval=(12, 31))],
    )  # fmt: skip


def named(text: str = "pump") -> Chart:
    return Chart(
        title=text, alt=f"{text}, found.", unit="", since=0, until=100, x=Axis(name=text), height=80,
        lanes=[Lane(name=text, stretches=[(0, 40, "c1")]), Lane(name="b", stretches=[])],
        marks=[Mark(x=70, y=1, kind="c2", label=text, interval=(50, 90))], levels=[Level(at=95, label=text)],
    )  # fmt: skip


def test_plotly_takes_the_figure_as_it_is() -> None:
    figure = go.Figure(Panels((chart(), lanes())).figure())
    kinds = [trace.type for trace in figure.data]
    assert kinds == ["scatter", "scatter", "bar", "candlestick", "scatter", "bar", "bar"]
    assert figure.data[3].close == (3.0, 1.0)
    assert figure.data[0].y == (1.0, None)
    assert [note.yref for note in figure.layout.annotations if note.text == "binance BTC-USD"] == ["y2"]
    assert {trace.xaxis for trace in figure.data} == {"x"}
    assert {shape.type for shape in figure.layout.shapes} == {"rect", "line"}
    assert DISCLAIMER in {note.text for note in figure.layout.annotations}


def test_a_notebook_gets_a_live_chart_a_drawing_and_words() -> None:
    shown = chart()._repr_mimebundle_(include=None, exclude=None)
    assert list(shown) == ["application/vnd.plotly.v1+json", "image/svg+xml", "text/plain"]
    assert shown["text/plain"] == "BTC-USD, a price."
    drawing = ET.fromstring(shown["image/svg+xml"])
    assert drawing.attrib["role"] == "img"
    said = " ".join(drawing.itertext())
    assert "BTC-USD, a price." in said
    assert DISCLAIMER in said
    assert len(drawing.findall(".//{*}rect[@class='candle up body']")) == 1
    assert len(drawing.findall(".//{*}rect[@class='candle down body']")) == 1


def test_charts_that_are_not_over_time_have_axes_of_their_own() -> None:
    figure = go.Figure(Panels((curve(), chart(), named(), lanes())).figure())
    assert {name: figure.layout[name].type for name in ("xaxis", "xaxis2", "xaxis3")} == {
        "xaxis": "log", "xaxis2": "date", "xaxis3": "linear"
    }  # fmt: skip
    assert figure.layout.xaxis.range == (-1, 3)
    assert figure.layout.xaxis.title.text == "budget"
    whiskers = [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "markers"]
    assert whiskers[0].error_y.array == (11,)
    assert whiskers[0].error_y.arrayminus == (8,)
    assert whiskers[-1].error_x.array == (20,)
    assert {trace.xaxis for trace in figure.data} == {"x", "x2", "x3"}


def test_a_drawing_places_values_by_their_axis_and_says_its_name() -> None:
    drawing = ET.fromstring(Panels((curve(), named())).svg())
    texts = ["".join(text.itertext()) for text in drawing.iter() if text.tag.endswith("}text")]
    assert [text for text in texts if text in ("0.1", "1", "10", "1 k")] == ["0.1", "1", "10", "1 k"]
    assert texts.count("budget") == 2  # the name of x, and of the level
    places = [use.attrib["x"] for use in drawing.iter() if use.tag.endswith("}use")]
    assert places == ["42.47%", "70.00%"]
    assert {use.attrib["class"] for use in drawing.iter() if use.tag.endswith("}use")} == {"mark c3", "mark c2"}
    assert len(drawing.findall(".//{*}path[@class='line whisker l3']")) == 1


def test_no_text_of_the_data_becomes_markup() -> None:
    shown = Panels((chart(EVIL), lanes(EVIL), curve(EVIL), named(EVIL)))._repr_mimebundle_()
    figure = shown["application/vnd.plotly.v1+json"]
    assert "<a" not in json.dumps(figure)
    assert "<script" not in json.dumps(figure)
    hovers = [trace["hovertemplate"] for trace in figure["data"] if "hovertemplate" in trace]
    assert hovers
    assert all("%{y}" not in hover for hover in hovers)
    drawing = ET.fromstring(shown["image/svg+xml"])
    kinds = {element.tag.rpartition("}")[2] for element in drawing.iter()}
    assert not kinds & {"a", "script", "foreignObject", "image"}
    links = [value for element in drawing.iter() for name, value in element.attrib.items() if "href" in name]
    assert all(link.startswith("#") for link in links)


@pytest.mark.parametrize("colour", sorted({*TINTS, *NAMED.values()} - {"none"}))
@pytest.mark.parametrize("paper", ["#ffffff", "#111111"])
def test_every_colour_can_be_seen_on_white_and_on_black(colour: str, paper: str) -> None:
    light, dark = sorted((luminance(colour), luminance(paper)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3.0


def test_the_accent_is_readable_as_text_on_its_paper() -> None:
    for ink, paper in ((ACCENT, "#ffffff"), (ACCENT_ON_DARK, PAPER_DARK)):
        light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_mark_is_one_shape_with_two_tails_alike() -> None:
    assert {(SIDE - x, y) for x, y in CORNERS} == set(CORNERS)
    drawn = ET.fromstring(mark(20))
    assert [child.tag for child in drawn] == ["polygon"]
    assert drawn.attrib["aria-hidden"] == "true"


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_style_of_drawings_leaves_the_texts_of_plotly_alone() -> None:
    """Plotly's lines of text are tspans of the class "line"."""
    rules = re.findall(r"([^{}]+)\{([^}]*)\}", drawing_style())
    hiding = [selector.strip() for selector, style in rules if "fill: none" in style]
    assert hiding
    assert not [one for selector in hiding for one in selector.split(",") if one.strip() == ".line"]
