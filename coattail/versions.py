"""The versions everything agrees on; a test holds pyproject.toml, environment.yml, the locks and the docs to them.

And the version of our own code, where what it made is kept.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

PYSPARK = "4.1.1"
SCALA = "2.13"
ICEBERG = "1.11.0"
SQLITE_JDBC = "3.54.1.0"

JAVA = 17
"""The lowest Java that this Spark runs on."""

PYICEBERG = "0.12.0"
"""The one version whose writer functions our commits use."""


def version_of(*packages: ModuleType) -> bytes:
    """Names the code of packages, and the Parquet files that come with it: another version has other bytes."""
    digest = hashlib.blake2b(digest_size=8)
    for package in packages:
        files = Path(str(package.__file__)).parent.rglob("*")
        for path in sorted(path for path in files if path.suffix in (".py", ".parquet")):
            digest.update(path.read_bytes())
    return digest.digest()
