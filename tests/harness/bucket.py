"""A warehouse that is not a folder: objects under keys, as S3 has them, in the memory of this process.

An object appears when its writer closes it, is replaced as a whole, and has no folder; nothing can be renamed.
"""

from __future__ import annotations

import io
import uuid
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileSystemHandler, FileType, PyFileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO

OBJECTS: dict[str, tuple[bytes, datetime]] = {}
"""Key (bucket and path) -> content, and when it was put."""


def new_bucket() -> dict[str, str]:
    """Properties of a lake in a bucket of its own; its catalog stays where it was."""
    return {"warehouse": f"s3://{uuid.uuid4().hex}/lake", "py-io-impl": f"{BucketFiles.__module__}.BucketFiles"}


def keys(lake: dict[str, str]) -> list[str]:
    """The objects of the bucket."""
    return sorted(key for key in OBJECTS if f"s3://{key}".startswith(lake["warehouse"]))


class BucketFiles(PyArrowFileIO):
    """PyIceberg's FileIO for `s3://`, over `OBJECTS`."""

    def _initialize_fs(self, scheme: str, netloc: str | None = None) -> FileSystem:
        assert scheme == "s3", f"a file of {scheme} in a lake that is in a bucket"
        return PyFileSystem(_Bucket())


class _Upload(io.BytesIO):
    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    def close(self) -> None:
        if not self.closed:
            OBJECTS[self._key] = (self.getvalue(), datetime.now(UTC))
        super().close()


class _Bucket(FileSystemHandler):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bucket)

    __hash__ = None  # type: ignore[assignment]

    def get_type_name(self) -> str:
        return "bucket"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[FileInfo]:
        return [_info(path) for path in paths]

    def get_file_info_selector(self, selector: FileSelector) -> list[FileInfo]:
        assert selector.recursive, "a bucket has no folders"
        prefix = selector.base_dir.rstrip("/") + "/"
        return [_info(key) for key in sorted(OBJECTS) if key.startswith(prefix)]

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.BufferReader(_content(path))

    open_input_stream = open_input_file

    def open_output_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        return pa.PythonFile(_Upload(path), mode="w")

    def copy_file(self, src: str, dest: str) -> None:
        OBJECTS[dest] = (_content(src), datetime.now(UTC))

    def delete_file(self, path: str) -> None:
        _content(path)
        del OBJECTS[path]

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("a bucket has no folders, and cannot rename or append")

    move = create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = open_append_stream = _refuse


def _content(key: str) -> bytes:
    if key not in OBJECTS:
        raise FileNotFoundError(key)
    return OBJECTS[key][0]


def _info(key: str) -> FileInfo:
    if key not in OBJECTS:
        return FileInfo(key, FileType.NotFound)
    content, put_at = OBJECTS[key]
    return FileInfo(key, FileType.File, size=len(content), mtime=put_at)
