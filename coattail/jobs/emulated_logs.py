"""The logs of emulated jobs, as a bucket that holds nothing else: two calls of S3, in its form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

_XML = {"Content-Type": "application/xml"}
_SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def log_key(log_uri: str, application: str, identity: str, attempt: int) -> str:
    """`BUCKET/KEY` of what the Python of a job's attempt writes.

    Source: EMR Serverless, storing logs; attempts after the first have a folder of their own.
    """
    again = f"/attempts/{attempt}" if attempt > 1 else ""
    folder = log_uri.removeprefix("s3://").rstrip("/")
    return f"{folder}/applications/{application}/jobs/{identity}{again}/SPARK_DRIVER/stdout"


def answered(files: Mapping[str, Path], path: str, query: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content of the answer to ListObjectsV2 or GetObject.

    files: By `BUCKET/KEY`. path, query: As they were asked for.
    """
    name = unquote(path).strip("/")
    if "/" not in name:
        prefix = parse_qs(query).get("prefix", [""])[0]
        found = {key: file for key, file in files.items() if key.startswith(f"{name}/{prefix}")}
        return 200, _XML, _listed(name, prefix, {key.partition("/")[2]: file for key, file in found.items()})
    if name in files:
        return 200, {"Content-Type": "text/plain"}, files[name].read_bytes()
    said = f"<Error><Code>NoSuchKey</Code><Message>there is no {escape(name)} (local emulation)</Message></Error>"
    return 404, _XML, said.encode()


def _listed(bucket: str, prefix: str, files: Mapping[str, Path]) -> bytes:
    contents = []
    for key, file in sorted(files.items()):
        about = file.stat()
        at = datetime.fromtimestamp(about.st_mtime, UTC)
        contents.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
            f"</LastModified><Size>{about.st_size}</Size></Contents>"
        )
    return (
        f'<ListBucketResult xmlns="{_SPACE}"><Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix>'
        f"<KeyCount>{len(contents)}</KeyCount><IsTruncated>false</IsTruncated>{''.join(contents)}</ListBucketResult>"
    ).encode()
