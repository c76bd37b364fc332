"""Alerts and metrics for programs, over HTTP: a thin shell that reads the hot store and nothing else.

- app.py: the application and its endpoints; opening.py, serve.py: a home's hot store, and uvicorn around it;
- asked.py, symbols.py: what a request asks for, and the symbol that it means
- alerts.py, why.py, metrics.py, health.py: hot store in, documents out; source.py: the store, opened and opened anew
- stream.py: new and revised alerts as server-sent events
- guard.py, buckets.py, refusal.py: what every request passes, and the one form of a refusal
- page/, assets.py, pages.py, written.py: the live page, its files, as routes beside the API, and as files alone
- schema.py: OpenAPI from the Structs; examples.json: answers of a simulated market

It imports neither Polars nor PyArrow, PyIceberg, DuckDB or Spark, so that it starts in half a second.
"""
