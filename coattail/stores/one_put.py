"""Files in a bucket written with one request where they are small, as nearly all of a commit are."""

from __future__ import annotations

from pyarrow.fs import FileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO


class OnePutFileIO(PyArrowFileIO):
    """PyIceberg's, but that a file is not begun as an upload in parts before it is known to be large.

    A commit writes a file of data, a manifest, a list of manifests and metadata: four requests in place of twelve.
    """

    def _initialize_s3_fs(self, netloc: str | None) -> FileSystem:
        make, (options,) = super()._initialize_s3_fs(netloc).__reduce__()
        return make({**options, "allow_delayed_open": True})
