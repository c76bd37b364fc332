"""Lake Formation, as far as permissions on tables need it: what is granted is recorded, and not enforced."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

LABEL = "recorded, not enforced"

FormationJson = dict[str, Any]


class Formation:
    """What was registered, granted and tagged; gone when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settings: FormationJson = {
            "DataLakeAdmins": [], "CreateDatabaseDefaultPermissions": [], "CreateTableDefaultPermissions": []
        }  # fmt: skip
        self._resources: dict[str, FormationJson] = {}
        self._grants: list[FormationJson] = []
        self._tags: dict[str, list[str]] = {}
        self._tagged: dict[str, dict[str, list[str]]] = {}
        self._opted: list[FormationJson] = []
        self._operations: dict[str, Callable[[FormationJson], FormationJson]] = {
            "GetDataLakeSettings": lambda _: {"DataLakeSettings": self._settings},
            "PutDataLakeSettings": self._put_settings,
            "RegisterResource": self._register,
            "DeregisterResource": lambda asked: self._gone(self._resources, asked["ResourceArn"]),
            "DescribeResource": lambda asked: {"ResourceInfo": self._known(self._resources, asked["ResourceArn"])},
            "ListResources": lambda _: {"ResourceInfoList": [*self._resources.values()]},
            "GrantPermissions": self._grant,
            "RevokePermissions": self._revoke,
            "ListPermissions": self._permissions,
            "CreateLFTag": self._tag,
            "GetLFTag": lambda asked: {
                "TagKey": asked["TagKey"], "TagValues": self._known(self._tags, asked["TagKey"])
            },
            "ListLFTags": lambda _: {"LFTags": [{"TagKey": k, "TagValues": v} for k, v in self._tags.items()]},
            "DeleteLFTag": lambda asked: self._gone(self._tags, asked["TagKey"]),
            "AddLFTagsToResource": self._add_tags,
            "RemoveLFTagsFromResource": self._remove_tags,
            "GetResourceLFTags": self._tags_of,
            "CreateLakeFormationOptIn": self._opt_in,
            "DeleteLakeFormationOptIn": self._opt_out,
            "ListLakeFormationOptIns": lambda asked: {"LakeFormationOptInsInfoList": _matching(self._opted, asked)},
        }  # fmt: skip

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content of the answer to a request."""
        headers = {"Content-Type": "application/json", "x-coattail-emulation": LABEL}
        operation, kind = path.strip("/"), "InvalidInputException"
        if operation not in self._operations:
            said = f"{operation} is not emulated"
        else:
            try:
                with self._lock:
                    return 200, headers, json.dumps(self._operations[operation](json.loads(body or b"{}"))).encode()
            except LookupError as error:
                said, kind = f"{error.args[0]} is not there", "EntityNotFoundException"
            except ValueError as error:
                said = str(error)
        refused = json.dumps({"Message": f"{said} (local emulation)"}).encode()
        return 400, {**headers, "x-amzn-errortype": kind}, refused

    def _put_settings(self, asked: FormationJson) -> FormationJson:
        self._settings.update(asked["DataLakeSettings"])
        return {}

    def _register(self, asked: FormationJson) -> FormationJson:
        self._resources[asked["ResourceArn"]] = asked
        return {}

    def _grant(self, asked: FormationJson) -> FormationJson:
        for grant in self._held(asked):
            grant["Permissions"] = sorted({*grant["Permissions"], *asked["Permissions"]})
            return {}
        self._grants.append({"Principal": asked["Principal"], "Resource": asked["Resource"],
                             "Permissions": sorted(asked["Permissions"]),
                             "PermissionsWithGrantOption": asked.get("PermissionsWithGrantOption", [])})  # fmt: skip
        return {}

    def _revoke(self, asked: FormationJson) -> FormationJson:
        held, gone = self._held(asked), {*asked["Permissions"]}
        if not any(gone & {*grant["Permissions"]} for grant in held):
            raise ValueError(
                "No permissions revoked. Grantee has no permissions and no grantable permissions on resource."
            )
        for grant in held:
            grant["Permissions"] = sorted({*grant["Permissions"]} - gone)
        self._grants = [grant for grant in self._grants if grant["Permissions"]]
        return {}

    def _held(self, asked: FormationJson) -> list[FormationJson]:
        """What exactly this principal has on exactly this resource."""
        return [g for g in self._grants if all(g[name] == asked[name] for name in ("Principal", "Resource"))]

    def _permissions(self, asked: FormationJson) -> FormationJson:
        return {"PrincipalResourcePermissions": _matching(self._grants, asked)}

    def _tag(self, asked: FormationJson) -> FormationJson:
        self._tags[asked["TagKey"]] = asked["TagValues"]
        return {}

    def _add_tags(self, asked: FormationJson) -> FormationJson:
        kept = self._tagged.setdefault(json.dumps(asked["Resource"], sort_keys=True), {})
        kept.update({tag["TagKey"]: tag["TagValues"] for tag in asked["LFTags"]})
        return {"Failures": []}

    def _remove_tags(self, asked: FormationJson) -> FormationJson:
        kept = self._tagged.get(json.dumps(asked["Resource"], sort_keys=True), {})
        for tag in asked["LFTags"]:
            kept.pop(tag["TagKey"], None)
        return {"Failures": []}

    def _tags_of(self, asked: FormationJson) -> FormationJson:
        kept = self._tagged.get(json.dumps(asked["Resource"], sort_keys=True), {})
        kind = {"Table": "LFTagsOnTable", "Database": "LFTagOnDatabase"}.get(next(iter(asked["Resource"])), "")
        return {kind: [{"TagKey": key, "TagValues": values} for key, values in kept.items()]} if kind else {}

    def _opt_in(self, asked: FormationJson) -> FormationJson:
        if not _matching(self._opted, asked):
            said = {"LastModified": time.time(), "LastUpdatedBy": "arn:aws:iam::000000000000:user/local-emulation"}
            self._opted.append({"Principal": asked["Principal"], "Resource": asked["Resource"], **said})
        return {}

    def _opt_out(self, asked: FormationJson) -> FormationJson:
        for opted in _matching(self._opted, asked):
            self._opted.remove(opted)
        return {}

    @staticmethod
    def _known(kept: dict[str, Any], name: str) -> Any:
        if name not in kept:
            raise LookupError(name)
        return kept[name]

    def _gone(self, kept: dict[str, Any], name: str) -> FormationJson:
        self._known(kept, name)
        del kept[name]
        return {}


def _matching(kept: list[FormationJson], asked: FormationJson) -> list[FormationJson]:
    """What is of the principal and the resource, as far as they are asked for; who asks for a table is told of columns
    of it, too.
    """

    def meant(each: FormationJson) -> bool:
        wanted, found = asked.get("Resource"), each["Resource"]
        if wanted and "Table" in wanted and "TableWithColumns" in found:
            names = ("DatabaseName", "Name")
            of_it = all(wanted["Table"].get(name) == found["TableWithColumns"].get(name) for name in names)
        else:
            of_it = not wanted or wanted == found
        return of_it and asked.get("Principal", each["Principal"]) == each["Principal"]

    return [each for each in kept if meant(each)]
