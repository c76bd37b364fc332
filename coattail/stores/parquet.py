"""Parquet files that are ready to be part of an Iceberg table: field ids, statistics, partition values."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BooleanType,
    DecimalType,
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from coattail.stores.files import field_ids
from coattail.stores.storage import Storage
from coattail.tables import Column, Table

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

_SIMPLE: dict[str, IcebergType] = {
    "string": StringType(),
    "boolean": BooleanType(),
    "int": IntegerType(),
    "long": LongType(),
    "double": DoubleType(),
    "timestamptz": TimestamptzType(),
    "decimal(38,8)": DecimalType(38, 8),
}


def iceberg_schema(table: Table) -> Schema:
    """The table's columns with field ids 1, 2, …; list elements take the ids after them."""
    elements = iter(range(len(table.columns) + 1, 2 * len(table.columns) + 1))

    def kind(column: Column) -> IcebergType:
        if column.type in _SIMPLE:
            return _SIMPLE[column.type]
        element: IcebergType = IntegerType() if column.type == "list<int>" else LongType()
        return ListType(element_id=next(elements), element_type=element, element_required=False)

    return Schema(
        *(
            NestedField(field_id=place, name=c.name, field_type=kind(c), required=c.required, doc=c.doc)
            for place, c in enumerate(table.columns, start=1)
        )
    )


def lacking(table: Table, iceberg: IcebergTable) -> list[NestedField]:
    """The optional columns that a table of an older version lacks, with ids that nothing has."""
    here = field_ids(table, iceberg)
    missing = [f for f in iceberg_schema(table).fields if f.name not in here and not f.required]
    return [
        NestedField(field_id=number, name=f.name, field_type=f.field_type, required=False, doc=f.doc)
        for number, f in enumerate(missing, start=iceberg.metadata.last_column_id + 1)
    ]


def partition_spec(table: Table, schema: Schema) -> PartitionSpec:
    """Day of the time column first, then the other columns as they are."""
    fields = []
    if table.day_of is not None:
        source = schema.find_field(table.day_of).field_id
        fields.append(PartitionField(source, 1000, DayTransform(), f"{table.day_of}_day"))
    for place, name in enumerate(table.also_by, start=1001):
        fields.append(PartitionField(schema.find_field(name).field_id, place, IdentityTransform(), name))
    return PartitionSpec(*fields)


@dataclass(frozen=True, slots=True)
class Target:
    """Where files of a table go, and as what: all that a writer in another process needs to know."""

    storage: Storage
    folder: str
    schema: Schema
    spec_id: int
    also_by: tuple[str, ...]
    """Columns that files are divided by, besides the day."""
    properties: dict[str, str]
    renamed: dict[str, str]
    """Our column -> what the table calls it now, where somebody renamed it."""

    @classmethod
    def of(cls, table: Table, iceberg: IcebergTable, storage: Storage) -> Target:
        """The target that the table is now."""
        schema, spec = iceberg.schema(), iceberg.spec()
        called = {name: schema.find_field(number).name for name, number in field_ids(table, iceberg).items()}
        renamed = {name: now for name, now in called.items() if name != now}
        also_by = [f.source_id for f in spec.fields if isinstance(f.transform, IdentityTransform)]
        ours = {now: name for name, now in called.items()}
        names = tuple(ours.get(name, name) for name in map(schema.find_column_name, also_by) if name is not None)
        return cls(storage, iceberg.location(), schema, spec.spec_id, names, dict(iceberg.properties), renamed)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that is ready to be part of a table; may cross processes."""

    location: str
    partition: tuple[Any, ...]
    size: int
    spec_id: int
    statistics: dict[str, Any]

    def data_file(self) -> DataFile:
        """The entry of the manifest."""
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=self.location,
            file_format=FileFormat.PARQUET,
            partition=Record(*self.partition),
            file_size_in_bytes=self.size,
            sort_order_id=None,
            spec_id=self.spec_id,
            equality_ids=None,
            key_metadata=None,
            **self.statistics,
        )


def write_files(target: Target, table: Table, frame: pl.DataFrame) -> list[WrittenFile]:
    """One Parquet file per partition of the frame (schema of `table`), sorted by the table's sort order.

    What a partition is, the table itself says: one made by an older version may be divided otherwise.
    """
    columns = schema_to_pyarrow(target.schema)
    repeating = [target.renamed.get(c.name, c.name) for c in table.columns if c.repeats]
    files = []
    for folder, partition, rows in _partitions(table, target.also_by, frame):
        location = "/".join(part for part in (target.folder, "data", folder, f"{uuid.uuid4().hex}.parquet") if part)
        size, footer = target.storage.write_parquet(
            location,
            _to_arrow(rows.rename(target.renamed), columns),
            compression="zstd",
            compression_level=1,
            use_dictionary=repeating,
            row_group_size=250_000,
        )
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=footer,
            stats_columns=compute_statistics_plan(target.schema, target.properties),
            parquet_column_mapping=parquet_path_to_id_mapping(target.schema),
        )
        files.append(WrittenFile(location, partition, size, target.spec_id, statistics.to_serialized_dict()))
    return files


def _to_arrow(rows: pl.DataFrame, target: pa.Schema) -> pa.Table:
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).select(target.names).cast(target)


def _partitions(
    table: Table, also_by: tuple[str, ...], frame: pl.DataFrame
) -> Iterator[tuple[str, tuple[Any, ...], pl.DataFrame]]:
    """(folder, partition values, rows) of each partition, rows in the table's sort order."""
    if frame.is_empty():
        return
    keys: list[pl.Expr] = []
    if table.day_of is not None:
        keys.append(pl.col(table.day_of).dt.date().alias("_day"))
    keys += [pl.col(name).alias(f"_{name}") for name in also_by]
    ordered = frame.sort(table.sorted_by) if table.sorted_by else frame
    if not keys:
        yield "", (), ordered
        return
    for values, rows in ordered.group_by(*keys, maintain_order=True):
        yield _folder(table, also_by, values), tuple(_partition_value(v) for v in values), rows


def _folder(table: Table, also_by: tuple[str, ...], values: tuple[Any, ...]) -> str:
    names = ([f"{table.day_of}_day"] if table.day_of is not None else []) + list(also_by)
    return "/".join(f"{name}={_safe(str(value))}" for name, value in zip(names, values, strict=True))


def _safe(text: str) -> str:
    """Text as part of a path: nothing from outside may name another folder."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in text)[:80]


def _partition_value(value: Any) -> Any:
    """A date as days since 1970, anything else as it is."""
    return value.toordinal() - 719_163 if hasattr(value, "toordinal") else value
