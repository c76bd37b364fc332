"""Files in a bucket written with one request where they are small, as nearly all of a commit are."""

from __future__ import annotations

from pyarrow.fs import AwsStandardS3RetryStrategy, FileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO

_ATTEMPTS = 10
"""Of a request that is throttled or fails, with pauses that grow to 20 s; PyArrow gives up after three."""


class OnePutFileIO(PyArrowFileIO):
    """PyIceberg's, but that a file is not begun as an upload in parts before it is known to be large.

    A commit writes a file of data, a manifest, a list of manifests and metadata: four requests in place of twelve.
    """

    def _initialize_s3_fs(self, netloc: str | None) -> FileSystem:
        make, (options,) = super()._initialize_s3_fs(netloc).__reduce__()
        patient = AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS)
        return make({**options, "allow_delayed_open": True, "retry_strategy": patient})
