"""What a job finds where it runs: a program for EMR Serverless, which needs nothing but what is looked for.

spark-submit --archives deps-….tar.gz#deps probe.py probe {"options": {…}, "settings": {…}}
"""

from __future__ import annotations

import json
import platform
import sys

MARK = "coattail probe: "


def found() -> dict[str, object]:
    """Of this process: its Python, where its packages come from, and whether somebody gives it credentials."""
    import boto3
    import polars
    import pyarrow
    import pyiceberg

    credentials = boto3.session.Session().get_credentials()
    return {
        "python": platform.python_version(), "machine": platform.machine(), "polars": polars.__version__,
        "pyarrow": pyarrow.__version__, "pyiceberg": pyiceberg.__version__, "packages": polars.__file__,
        "credentials": None if credentials is None else credentials.method,
    }  # fmt: skip


def of_spark() -> dict[str, object]:
    """Of Spark: its version, whether Iceberg's classes are there, and what its executors find."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName("coattail-probe").getOrCreate()
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        loader.loadClass("org.apache.iceberg.spark.SparkCatalog")
        iceberg = True
    except Exception:  # py4j has one kind of error for all of Java's
        iceberg = False
    executors = spark.sparkContext.parallelize([0, 1], 2).map(lambda _: found()).collect()
    return {"spark": spark.version, "iceberg": iceberg, "executors": executors}


def main(order: str) -> None:
    """Print all of it as one line. order: As coattail hands it over, JSON with `options`: spark, whether to ask it."""
    said = found()
    said.update(of_spark() if json.loads(order)["options"]["spark"] else {"spark": None})
    print(MARK + json.dumps(said), flush=True)


if __name__ == "__main__":
    main(sys.argv[2])
