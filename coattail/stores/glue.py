"""The catalog on AWS: a database of the Glue Data Catalog, whose tables lie in a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coattail.errors import ConfigError, StoreError
from coattail.service_client import KEY_PROPERTIES, connect, trouble
from coattail.stores.catalog import NAMESPACE, Shelf
from coattail.stores.storage import Storage

if TYPE_CHECKING:
    from pyiceberg.catalog.glue import GlueCatalog


class GlueShelf(Shelf):
    """The tables of the database `coattail`: one lake in an account and region.

    Glue refuses a commit that was not made on the newest one, as SQLite does. Credentials come from AWS'
    own chain, unless the properties name some.
    """

    def __init__(self, properties: Mapping[str, str], *, writable: bool) -> None:
        self._properties = {k: v for k, v in properties.items() if k not in ("type", "uri")}
        if "://" not in self._properties.get("warehouse", "") or self._properties["warehouse"].startswith("file:"):
            raise ConfigError(
                f"lake.type = glue with lake.warehouse = {self._properties.get('warehouse')!r} is no bucket",
                next_step="write warehouse: s3://BUCKET/FOLDER",
            )
        self.storage = Storage(self._properties)
        self._writable = writable

    @cached_property
    def loaded(self) -> GlueCatalog:
        from coattail.stores.certain_glue import CertainGlueCatalog

        with self.errors():
            catalog = CertainGlueCatalog(NAMESPACE, self._connected(), **self._properties)
            if self._writable and not catalog.namespace_exists(NAMESPACE):  # to ask is allowed to more than to create
                catalog.create_namespace_if_not_exists(NAMESPACE)
            return catalog

    def _connected(self) -> Any:
        given = self._properties.get
        names = {"profile_name": "glue.profile-name", **{key: f"glue.{name}" for key, name in KEY_PROPERTIES.items()}}
        return connect(
            "glue", setting="lake.glue.region", region=given("glue.region"), endpoint=given("glue.endpoint"),
            keys={name: given(key) for name, key in names.items()},
        )  # fmt: skip

    def locations(self) -> dict[str, str]:
        found: dict[str, str] = {}
        client = self.loaded.glue
        with self.errors():
            missing = client.exceptions.EntityNotFoundException
            try:
                for page in client.get_paginator("get_tables").paginate(DatabaseName=NAMESPACE):
                    for table in page["TableList"]:
                        location = table.get("Parameters", {}).get("metadata_location")
                        if location is not None:  # else somebody's that is no table of Iceberg
                            found[table["Name"]] = self._own(table["Name"], location)
            except missing:
                return {}
        return found

    def _own(self, name: str, location: str) -> str:
        if location.startswith(f"{self.storage.warehouse}/"):
            return location
        raise StoreError(
            f"the database {NAMESPACE} of this account and region has {name} at {location}, which is another lake",
            next_step="write that lake's warehouse, or use another region or account: one lake is kept in each",
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of the services in the block into ours.

        Raises: StoreError: If they do not answer, or refuse.
        """
        import botocore.exceptions as botocore

        try:
            yield
        except (botocore.ClientError, botocore.BotoCoreError, OSError) as error:
            what = "the bucket of the lake" if isinstance(error, OSError) else "the Glue Data Catalog"
            found = trouble(error, what, setting="lake")
            if found is None:
                raise
            raise StoreError(found.message, next_step=found.next_step) from error

    def close(self) -> None:
        if "loaded" in self.__dict__:
            self.loaded.glue.close()
