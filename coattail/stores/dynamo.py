"""DynamoDB as far as a hot store needs it: one table with its indices, its answers, or what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from coattail.errors import StoreError
from coattail.service_client import connect, trouble

Item = dict[str, Any]
_Result = TypeVar("_Result")

INDICES = {
    "type-time-index": ("alert_type", "place"),
    "symbol-time-index": ("symbol", "place"),
    "day-time-index": ("day", "place"),
    "written-time-index": ("written_day", "written"),
}
"""Index -> its partition and its sort key. Every alert is in each, so writing one costs five writes."""
KEY = ("alert_id", "detected_at")
_AT_ONCE = 16
"""Conditional puts cannot be batched; so many are under way together."""
_ATTEMPTS = 16
"""Of a call that is throttled or fails: with botocore's pauses of up to 20 s they last two minutes on average."""

_BRIEF_ATTEMPTS = 4
"""Of one that matters less than time."""


def definition(table: str) -> Item:
    """What CreateTable takes for the table of a hot store: on demand, encrypted, with `INDICES`."""
    names = sorted({*KEY, *(name for keys in INDICES.values() for name in keys)})
    keyed = {"main": KEY, **INDICES}
    schema = {
        index: [{"AttributeName": hashed, "KeyType": "HASH"}, {"AttributeName": ranged, "KeyType": "RANGE"}]
        for index, (hashed, ranged) in keyed.items()
    }
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
        "KeySchema": schema["main"],
        "GlobalSecondaryIndexes": [
            {"IndexName": index, "KeySchema": schema[index], "Projection": {"ProjectionType": "ALL"}}
            for index in INDICES
        ],
        "SSESpecification": {"Enabled": True},
    }


def create(table: str, *, region: str | None, endpoint: str | None) -> None:
    """Create the table, as Terraform does on AWS: for emulated services. One that is there already stays."""
    client = _connected(region, endpoint, "hot.url")
    try:
        client.create_table(**definition(table))
    except client.exceptions.ResourceInUseException:
        return
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    ttl = {"Enabled": True, "AttributeName": "ttl_epoch"}
    client.update_time_to_live(TableName=table, TimeToLiveSpecification=ttl)


class ItemRefused(StoreError):
    """An item that the service does not take whenever it is put: larger than 400 kB, or with an empty key."""


class DynamoTable:
    """A table as plain Python values; botocore repeats what is throttled or fails, with pauses that grow.

    Raises: StoreError: If the service still refuses then, or does not answer. ConfigError: If there is no region.
    """

    def __init__(
        self, name: str, *, region: str | None = None, endpoint: str | None = None, setting: str = "hot.url",
        attempts: int = _ATTEMPTS,
    ) -> None:  # fmt: skip
        self.name = name
        self._attempts = attempts
        self._setting = setting
        self._region, self._endpoint = region, endpoint
        self._client: Any = None
        self._connecting = threading.Lock()

    def brief(self) -> DynamoTable:
        """The same table, for whoever rather does without an answer than waits for minutes."""
        return DynamoTable(
            self.name, region=self._region, endpoint=self._endpoint, setting=self._setting, attempts=_BRIEF_ATTEMPTS
        )

    def get(self, alert_id: str, place: str) -> Item | None:
        """The item of a key, as it was last written."""
        found = self._call("get_item", Key=packed(dict(zip(KEY, (alert_id, place), strict=True))), ConsistentRead=True)
        return unpacked(found["Item"]) if "Item" in found else None

    def query(
        self, condition: str, values: Mapping[str, Any], *, index: str | None = None, where: str | None = None,
        names: Mapping[str, str] | None = None, descending: bool = False, columns: Sequence[str] = (), page: int = 0,
    ) -> Iterator[Item]:  # fmt: skip
        """The items of a partition in the order of their sort key; an index shows a write a little after it.

        condition, where: KeyConditionExpression and FilterExpression, with `values`. page: How many the service looks
        at in one call; 0: as many as fit.
        """
        arguments: Item = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": packed(values),
            "ScanIndexForward": not descending,
        }
        aliases = dict(names or {})
        if columns:
            aliases |= {f"#c{n}": column for n, column in enumerate(columns)}
            arguments["ProjectionExpression"] = ", ".join(f"#c{n}" for n in range(len(columns)))
        optional = {
            "IndexName": index, "FilterExpression": where, "ExpressionAttributeNames": aliases or None,
            "Limit": page or None, "ConsistentRead": None if index else True,
        }  # fmt: skip
        arguments |= {name: value for name, value in optional.items() if value is not None}
        while True:
            found = self._call("query", **arguments)
            yield from map(unpacked, found["Items"])
            if "LastEvaluatedKey" not in found:
                return
            arguments["ExclusiveStartKey"] = found["LastEvaluatedKey"]

    def update(
        self, key: tuple[str, str], expression: str, values: Mapping[str, Any], *, condition: str | None = None,
        names: Mapping[str, str] | None = None,
    ) -> bool:  # fmt: skip
        """Change an item, or make it; False: its condition does not hold."""
        arguments: Item = {
            "Key": packed(dict(zip(KEY, key, strict=True))),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": packed(values),
        }
        optional = {"ConditionExpression": condition, "ExpressionAttributeNames": names}
        return self._done("update_item", {**arguments, **{n: v for n, v in optional.items() if v}})

    def put(self, item: Item) -> None:
        """Put an item in the place of the one that has its key."""
        self._call("put_item", Item=packed(item))

    def delete(
        self, key: tuple[str, str], *, condition: str, values: Mapping[str, Any], names: Mapping[str, str] | None = None
    ) -> bool:
        """Delete an item; False: its condition does not hold."""
        arguments: Item = {
            "Key": packed(dict(zip(KEY, key, strict=True))),
            "ConditionExpression": condition,
            "ExpressionAttributeValues": packed(values),
        }
        return self._done("delete_item", arguments | ({"ExpressionAttributeNames": names} if names else {}))

    @staticmethod
    def together(work: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Do several things at once, for what each returns; the first error is raised after all have ended."""
        if len(work) == 1:
            return [work[0]()]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dynamodb") as pool:
            return [done.result() for done in [pool.submit(each) for each in work]]

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _done(self, operation: str, arguments: Item) -> bool:
        return self._call(operation, unless="ConditionalCheckFailedException", **arguments) is not None

    def _call(self, operation: str, *, unless: str = "", **arguments: Any) -> Any:
        """The answer; None if the service refuses with the code `unless`."""
        import botocore.exceptions as botocore

        with self._connecting:
            if self._client is None:
                self._client = _connected(self._region, self._endpoint, self._setting, self._attempts)
        try:
            return getattr(self._client, operation)(TableName=self.name, **arguments)
        except botocore.ClientError as error:
            if error.response.get("Error", {}).get("Code") == unless:
                return None
            raise self._error(error) from error
        except botocore.BotoCoreError as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StoreError:
        found = trouble(error, f"the table {self.name} of DynamoDB", setting=self._setting)
        assert found is not None
        return (ItemRefused if found.code == "ValidationException" else StoreError)(
            found.message, next_step=found.next_step
        )


def _connected(region: str | None, endpoint: str | None, setting: str, attempts: int = _ATTEMPTS) -> Any:
    return connect(
        "dynamodb", setting=setting, region=region, endpoint=endpoint, attempts=attempts, read_seconds=10,
        at_once=_AT_ONCE,
    )  # fmt: skip


def packed(item: Mapping[str, Any]) -> Item:
    """An item as the service writes it: text, whole numbers, lists and maps of these; None is left out."""
    return {name: _value(value) for name, value in item.items() if value is not None}


def _value(value: Any) -> Item:
    match value:
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case list():
            return {"L": [_value(each) for each in value]}
        case dict():
            return {"M": packed(value)}
    raise TypeError(f"{value!r} has no place in a table of DynamoDB")


def unpacked(item: Item) -> Item:
    """The item back."""
    return {name: _plain(value) for name, value in item.items()}


def _plain(value: Item) -> Any:
    [(kind, held)] = value.items()
    match kind:
        case "N":
            return int(held)
        case "L":
            return [_plain(each) for each in held]
        case "M":
            return unpacked(held)
    return held
