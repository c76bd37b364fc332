"""Executed notebooks, without a kernel."""

from __future__ import annotations

from typing import Any

from coattail.charts.chart import Chart, Line, Panels
from coattail.reports.notebook import Ran

PLOTLY = "application/vnd.plotly.v1+json"
FIRST = (
    "# A look\n\n**Question.** Is it complete?\n\n**Answer,** on another\nmarket: 9 trades.\n\n**Reads** `bars`.\n\n"
    "[more](../docs/X.md)"
)

PAYLOADS = (
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<img src=http://evil.example/x.png>",
    "<svg onload=\"document.title='owned'\">",
    "<svg><script>document.title='owned'</script></svg>",
    "<svg><image href='http://evil.example/x.png'/></svg>",
    "<iframe src=http://evil.example></iframe>",
    "<a href=\"javascript:document.title='owned'\">x</a>",
    "<a href=http://evil.example>x</a>",
    "<style>@import 'http://evil.example/x.css'</style>",
    '<div style="background:url(http://evil.example)">x</div>',
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<base href=http://evil.example>",
    "<form action=http://evil.example><input name=a></form>",
    "<details open ontoggle=\"document.title='owned'\">x</details>",
    "<video src=http://evil.example/x.mp4 autoplay></video>",
    "<object data=http://evil.example></object>",
    "<embed src=http://evil.example>",
    "<math><mtext><img src=x onerror=\"document.title='owned'\"></mtext></math>",
    "<template><img src=x onerror=\"document.title='owned'\"></template>",
    "<!--<img src='--><img src=x onerror=alert(1)>'>",
    '" onmouseover="document.title=\'owned\'" x="',
    "' autofocus onfocus='document.title=1' '",
    "![x](http://evil.example/x.png)",
    "[x](javascript:document.title='owned')",
    "[x](http://evil.example)",
    "<http://evil.example>",
    "](x)<img src=x onerror=alert(1)>",
    "%{customdata}<a href='http://evil.example'>x</a>",
    "\u202e\u2028\x1b[31m\x07\x00 &lt;script&gt;alert(1)&lt;/script&gt;",
    "]]>--><script>alert(1)</script>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<textarea></textarea><img src=x onerror=alert(1)>",
)
"""Markup that must stay text, or nothing, wherever it stands."""


def code(source: str = "1 + 1", *outputs: dict[str, Any], tags: tuple[str, ...] = (), count: int = 1) -> dict[str, Any]:
    """A cell of code with its outputs."""
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "code", "source": source, "metadata": metadata, "execution_count": count,
            "outputs": list(outputs)}  # fmt: skip


def prose(source: str) -> dict[str, Any]:
    """A cell of markdown."""
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def shown(**data: Any) -> dict[str, Any]:
    """An output; `text_html` stands for text/html, `plotly` and `svg` for a chart's forms."""
    names = {"plotly": PLOTLY, "svg": "image/svg+xml"}
    forms = {names.get(name, name.replace("_", "/", 1)): value for name, value in data.items()}
    return {"output_type": "execute_result", "data": forms, "metadata": {}}


def printed(text: str, name: str = "stdout") -> dict[str, Any]:
    """What a cell printed."""
    return {"output_type": "stream", "name": name, "text": text}


def failed(name: str, value: str, *trace: str) -> dict[str, Any]:
    """How a cell failed."""
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": list(trace)}


def drawn(text: str = "BTC-USD", points: int = 20) -> dict[str, Any]:
    """A chart of ours as an output."""
    line = Line(name=text, tint=0, x=[60_000 * n for n in range(points)], y=[float(n) for n in range(points)])
    chart = Chart(title=text, alt=f"{text}, a price.", unit=text, since=0, until=60_000 * points, lines=[line])
    return {"output_type": "execute_result", "data": Panels((chart,))._repr_mimebundle_(), "metadata": {}}


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """The JSON of a notebook."""
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}


def ran(*cells: dict[str, Any], name: str = "look", **metadata: Any) -> Ran:
    """A notebook that was executed."""
    return Ran(
        name=name, content=notebook(*cells, **metadata), parameters=[("symbol", "'BTC-USDT'", "which")],
        again=f"coattail notebook run {name} --html", digest="ab" * 32,
    )  # fmt: skip


def hostile(payload: str) -> list[dict[str, Any]]:
    """Cells in which the payload stands wherever something can stand."""
    table = f"<table><tr><th>{payload}</th></tr><tr><td>{payload}</td></tr></table>"
    figure = {
        "data": [{"type": "scatter", "x": [1, 2], "y": [1, 2], "name": payload, "text": [payload, payload],
                  "hovertext": payload, "hovertemplate": payload, "mode": "lines+text"}],
        "layout": {"title": {"text": payload}, "annotations": [{"text": payload, "x": 1, "y": 1}],
                   "xaxis": {"title": {"text": payload}}, "images": [{"source": "http://evil.example/x.png"}]},
    }  # fmt: skip
    return [
        prose(f"# {payload}\n\n**Question.** {payload}\n\n{payload}"),
        code(f"x = '''{payload}'''", tags=("parameters",)),
        prose(f"## {payload}\n\n- {payload}\n\n| a |\n|---|\n| {payload} |\n\n`{payload}`"),
        code(payload, printed(payload), printed(payload, "stderr"), shown(text_html=table, text_plain=payload)),
        code(payload, shown(text_html=payload, text_plain=payload), shown(text_markdown=payload)),
        code(payload, shown(text_plain=payload), shown(text_latex=payload), shown(application_javascript=payload)),
        code(payload, shown(plotly=figure, text_plain=payload), drawn(payload)),
        code(payload, shown(svg=f"<svg xmlns='http://www.w3.org/2000/svg'>{payload}</svg>", text_plain=payload)),
        code(payload, failed(payload, payload, payload), printed(payload)),
    ]
