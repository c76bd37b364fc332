"""Lake Formation, as far as permissions on tables need it: what is granted is recorded, and not enforced."""

from __future__ import annotations

import json
import threading
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
            "GetResourceLFTags": self._tags_of,
            "CreateLakeFormationOptIn": self._opt_in,
            "ListLakeFormationOptIns": lambda _: {"LakeFormationOptInsInfoList": self._opted},
        }  # fmt: skip

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content of the answer to a request."""
        headers = {"Content-Type": "application/json", "x-coattail-emulation": LABEL}
        operation = path.strip("/")
        if operation not in self._operations:
            said = {"Message": f"{operation} is not emulated (local emulation)"}
            return 400, {**headers, "x-amzn-errortype": "InvalidInputException"}, json.dumps(said).encode()
        try:
            with self._lock:
                return 200, headers, json.dumps(self._operations[operation](json.loads(body or b"{}"))).encode()
        except LookupError as error:
            said = {"Message": f"{error.args[0]} is not there (local emulation)"}
            return 400, {**headers, "x-amzn-errortype": "EntityNotFoundException"}, json.dumps(said).encode()

    def _put_settings(self, asked: FormationJson) -> FormationJson:
        self._settings.update(asked["DataLakeSettings"])
        return {}

    def _register(self, asked: FormationJson) -> FormationJson:
        self._resources[asked["ResourceArn"]] = asked
        return {}

    def _grant(self, asked: FormationJson) -> FormationJson:
        about = {"Principal": asked["Principal"], "Resource": asked["Resource"]}
        for grant in self._grants:
            if all(grant[name] == value for name, value in about.items()):
                grant["Permissions"] = sorted({*grant["Permissions"], *asked["Permissions"]})
                return {}
        self._grants.append({**about, "Permissions": sorted(asked["Permissions"]),
                             "PermissionsWithGrantOption": asked.get("PermissionsWithGrantOption", [])})  # fmt: skip
        return {}

    def _revoke(self, asked: FormationJson) -> FormationJson:
        for grant in self._grants:
            if grant["Principal"] == asked["Principal"] and grant["Resource"] == asked["Resource"]:
                grant["Permissions"] = sorted({*grant["Permissions"]} - {*asked["Permissions"]})
        self._grants = [grant for grant in self._grants if grant["Permissions"]]
        return {}

    def _permissions(self, asked: FormationJson) -> FormationJson:
        wanted = {name: asked[name] for name in ("Principal", "Resource") if asked.get(name)}
        found = [g for g in self._grants if all(g[name] == value for name, value in wanted.items())]
        return {"PrincipalResourcePermissions": found}

    def _tag(self, asked: FormationJson) -> FormationJson:
        self._tags[asked["TagKey"]] = asked["TagValues"]
        return {}

    def _add_tags(self, asked: FormationJson) -> FormationJson:
        kept = self._tagged.setdefault(json.dumps(asked["Resource"], sort_keys=True), {})
        kept.update({tag["TagKey"]: tag["TagValues"] for tag in asked["LFTags"]})
        return {"Failures": []}

    def _tags_of(self, asked: FormationJson) -> FormationJson:
        kept = self._tagged.get(json.dumps(asked["Resource"], sort_keys=True), {})
        kind = {"Table": "LFTagsOnTable", "Database": "LFTagOnDatabase"}.get(next(iter(asked["Resource"])), "")
        return {kind: [{"TagKey": key, "TagValues": values} for key, values in kept.items()]} if kind else {}

    def _opt_in(self, asked: FormationJson) -> FormationJson:
        self._opted.append({"Principal": asked["Principal"], "Resource": asked["Resource"]})
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
