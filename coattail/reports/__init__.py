"""Pages for people: a day of the market, or what a notebook found, in one HTML file.

- facts.py, quality.py, scorecards.py: what the tables say of a stretch of time, read once
- words.py, why.py, ranked.py, front.py, claims.py: numbers as sentences, the most severe first, and what stands first
- market.py, judged.py, strips.py, sparks.py: frames become charts, and small pictures beside alerts
- blocks.py, alerts.py, sections.py, modules.py, trust.py, page.py: charts and tables become the page of a day
- prose.py, outputs.py, notebook.py: an executed notebook becomes a page, nothing in it live
- frame.py, live.py, bundles.py: the frame of every page, its figures for plotly.js, and plotly.js itself
- files.py, index.py: the page on disk, whole or not at all, and the pages of a folder
"""
