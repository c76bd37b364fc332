"""Pages for people: what happened in the market, in one HTML file.

facts.py       what the tables say of a stretch of time: frames, read once
words.py, why.py                    numbers as sentences
chart.py, market.py, judged.py      frames -> charts: lines, shades and marks, no wider than a screen
svg.py, live.py                     a chart drawn by us, and the data of one that plotly.js draws
markup.py, sections.py, page.py     charts and tables -> HTML
files.py       the page on disk, whole or not at all
"""
