"""What the Spark engine stands on: Java, the jars, a session with the lakehouse in it, and quick Python workers.

Importing this imports neither PySpark nor Polars: the local engine works without Java.
"""
