"""PyIceberg's catalog on Glue, which knows a commit of its own again."""

from __future__ import annotations

from typing import Any

from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException


class CertainGlueCatalog(GlueCatalog):
    """A commit whose answer was lost is not taken for one that failed.

    botocore repeats a request without an answer. If the first one was carried out, the second is refused, because the
    table has moved; PyIceberg 0.12 takes that for another's commit, and deletes the manifests of this one, which is in
    the table: nobody can read it any more.
    """

    def _update_glue_table(self, database_name: str, table_name: str, table_input: Any, version_id: str) -> None:
        try:
            super()._update_glue_table(database_name, table_name, table_input, version_id)
        except CommitFailedException:
            if not self._has_seen(database_name, table_name, table_input["Parameters"]["metadata_location"]):
                raise

    def _has_seen(self, database_name: str, table_name: str, location: str) -> bool:
        """Whether the table's metadata is, or was, the file: its name is nobody else's."""
        now = self.load_table((database_name, table_name))
        return location in (now.metadata_location, *(entry.metadata_file for entry in now.metadata.metadata_log))
