"""Pages for people: what happened in the market, in one HTML file.

- facts.py, quality.py, scorecards.py: what the tables say of a stretch of time, read once
- words.py, why.py, ranked.py: numbers as sentences, the most severe first
- chart.py, market.py, judged.py: frames become charts, lines, shades and marks, no denser than a screen
- svg.py, live.py: a chart drawn by us, and the data of one that plotly.js draws
- blocks.py, sections.py, trust.py, page.py: charts and tables become HTML
- files.py: the page on disk, whole or not at all
"""
