"""Text that others wrote, as HTML that a person reads."""

import polars as pl

from coattail.reports.prose import cleaned


def test_a_polars_frame_reads_like_a_table() -> None:
    frame = pl.DataFrame({"exchange": ["binance", 'a "b" <i>'], "trades": [54_001, 7], "newest": [None, None]})
    said = cleaned(frame._repr_html_())
    assert "<small>2 rows, 3 columns</small>" in said
    assert "<td>binance</td>" in said
    assert '<td class="number">54001</td>' in said
    assert "i64" not in said
    assert "<i>" not in said
    assert "&lt;i&gt;" in said
    plain = '<table><thead><tr><th>a</th></tr><tr><td>"x"</td></tr></thead></table>'
    assert '<td>"x"</td>' in cleaned(plain)
