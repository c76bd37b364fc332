"""The versions everything agrees on; a test holds pyproject.toml, environment.yml, the locks and the docs to them."""

PYSPARK = "4.1.1"
SCALA = "2.13"
ICEBERG = "1.11.0"
SQLITE_JDBC = "3.54.1.0"

JAVA = 17
"""The lowest Java that this Spark runs on."""

PYICEBERG = "0.12.0"
"""The one version whose writer functions our commits use."""
