"""The catalog on AWS: a database of the Glue Data Catalog, whose tables lie in a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coattail.errors import ConfigError, StoreError
from coattail.stores.catalog import NAMESPACE, Shelf
from coattail.stores.storage import Storage

if TYPE_CHECKING:
    from pyiceberg.catalog.glue import GlueCatalog

_ATTEMPTS = 6
"""Of a call that is throttled or fails, with botocore's pauses: half a minute on average."""
_NEXT = "check lake.glue.region, the bucket and the permissions of the credentials"


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
        from pyiceberg.catalog.glue import GlueCatalog

        with self.errors():
            catalog = GlueCatalog(NAMESPACE, self._connected(), **self._properties)
            if self._writable:
                catalog.create_namespace_if_not_exists(NAMESPACE)
            return catalog

    def _connected(self) -> Any:
        import boto3
        from botocore.config import Config

        given = self._properties.get
        config = Config(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}, connect_timeout=5, read_timeout=20
        )
        session = boto3.session.Session(
            profile_name=given("glue.profile-name"),
            aws_access_key_id=given("glue.access-key-id"),
            aws_secret_access_key=given("glue.secret-access-key"),
            aws_session_token=given("glue.session-token"),
        )
        return session.client(
            "glue", region_name=given("glue.region"), endpoint_url=given("glue.endpoint"), config=config
        )

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
        except (botocore.NoCredentialsError, botocore.PartialCredentialsError, botocore.CredentialRetrievalError) as e:
            raise StoreError(
                f"there are no AWS credentials for the lake ({e})",
                next_step="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ) from e
        except botocore.NoRegionError as error:
            raise ConfigError("the lake on Glue needs a region", next_step="write lake: {glue.region: …}") from error
        except (botocore.ClientError, botocore.BotoCoreError) as error:
            raise StoreError(f"the Glue Data Catalog cannot be used ({error})", next_step=_NEXT) from error
        except OSError as error:
            if "AWS Error" not in str(error):
                raise
            raise StoreError(f"the bucket of the lake cannot be used ({error})", next_step=_NEXT) from error

    def close(self) -> None:
        if "loaded" in self.__dict__:
            self.loaded.glue.close()
