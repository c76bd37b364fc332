"""The log of a job on EMR Serverless: what its driver said, as the service puts it into S3."""

from __future__ import annotations

import zlib
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from coattail.jobs.base import JobError
from coattail.jobs.emr_request import Application
from coattail.service_client import connect, trouble

_DRIVER = ("/SPARK_DRIVER/stdout", "/SPARK_DRIVER/stderr")
"""What Python says to either goes to the first: spark-submit starts it with both as one. A driver that has not come to
start Python has the second only, which is Spark's."""
_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 1 << 20


def tail(on: Application, application: str, identity: str, lines: int) -> list[str]:
    """The last lines that the Python of a job's driver wrote, or if it never began, Spark.

    The newest object of `logs/applications/APPLICATION/jobs/ID/…/SPARK_DRIVER/stdout*` is read to its end, in pieces.
    Source: EMR Serverless, storing logs. Raises: JobError: If there is none yet, or S3 refuses.
    """
    import botocore.exceptions

    place = on.path(f"logs/applications/{application}/jobs/{identity}/")
    bucket, prefix = urlsplit(place).netloc, urlsplit(place).path.lstrip("/")
    try:
        s3 = connect("s3", setting="jobs.url", region=on.region, endpoint=on.endpoint, keys=on.keys)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        all_there = [found for page in pages for found in page.get("Contents", ())]
        said = ([found for found in all_there if name in found["Key"]] for name in _DRIVER)
        there = next((found for found in said if found), None)
        if there is None:
            raise JobError(f"the driver has written no log to {place} yet", next_step="ask again in some minutes")
        newest = max(there, key=lambda found: (found["LastModified"], found["Key"]))["Key"]
        return _last(s3.get_object(Bucket=bucket, Key=newest)["Body"], lines, packed=newest.endswith(".gz"))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        found = trouble(error, f"the log in {place}", setting="jobs.url")
        assert found is not None
        raise JobError(found.message, next_step=found.next_step) from error
    except zlib.error as error:
        raise JobError(f"the log in {place} is damaged ({error})", next_step="look at it there") from error


def _last(body: Any, lines: int, *, packed: bool) -> list[str]:
    """The last lines of an object, of which never more is held than these and a piece."""
    unpack = zlib.decompressobj(_GZIP)
    kept: deque[str] = deque(maxlen=lines)
    rest = b""
    for piece in body.iter_chunks(_CHUNK):
        *whole, rest = (rest + (unpack.decompress(piece) if packed else piece)).split(b"\n")
        kept.extend(line.decode("utf-8", "replace") for line in whole)
    if rest:
        kept.append(rest.decode("utf-8", "replace"))
    return list(kept)
