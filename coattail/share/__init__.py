"""What a report takes with it when it is passed on: a card, pages and a text, each as true as the report.

- ink.py: a canvas to draw on, and text that is measured, wrapped and written in the letters that there are
- plot.py: a chart drawn on a canvas; card.py, pages.py: the card (PNG), and five pages (PDF)
- claims.py: every figure in a text against the query that gives it; post.py: the text
- links.py: what a page says of itself to whoever shows a link to it, and to `coattail report post`

Drawn with Pillow alone (extra `report`) and its built-in font: the same facts give the same bytes, whatever fonts a
machine has.
"""
