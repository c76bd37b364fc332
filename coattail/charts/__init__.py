"""Charts: data in, a chart out, which a notebook, a report and a file show alike.

- axis.py: what lies along an axis; chart.py: a chart as data; `Chart` and `Panels` show themselves in a notebook
- said.py: alerts as marks, missing trades as shades; candles.py: prices and volumes
- windows.py, quality.py, questions.py, lags.py: one function for each figure about what detectors measured, quality,
  detectors, and how late trades are
- figure.py: the figure for Plotly; svg.py: the drawing inside a page; sheet.py: the drawing as a file of its own
- colours.py: those that are readable on white and on black; mark.py: the project's mark
"""
