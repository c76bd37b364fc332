"""The front of the emulation, without what is behind it."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from coattail.aws.emulate import place, serving
from coattail.aws.emulate.answers import text
from coattail.aws.emulate.athena import EmulatedAthena
from coattail.aws.emulate.formation import Formation
from coattail.aws.emulate.front import EmulationFront
from coattail.errors import ConfigError, UsageError
from coattail.home import Home
from coattail.jobs.emr_model import EmrModel

SIGNED = "AWS4-HMAC-SHA256 Credential=emulated/20250304/us-east-1/{}/aws4_request, SignedHeaders=host"


def asked(path: str = "/", body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """Status and content of what the front answers; 299 is what lies behind it, which echoes the body."""
    parts = [body[:2], body[2:]]
    given = {"host": "127.0.0.1:4566", **{name.replace("_", "-"): value for name, value in headers.items()}}
    sent: list[Any] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        whole = b""
        while True:
            message = await receive()
            whole += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": whole})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    athena, emr = EmulatedAthena("http://127.0.0.1:1"), EmrModel(["true"])
    scope = {"type": "http", "method": "POST" if body else "GET", "path": path, "query_string": b"",
             "headers": [(name.encode(), value.encode()) for name, value in given.items()]}  # fmt: skip
    try:
        asyncio.run(EmulationFront(behind, athena, emr)(scope, receive, send))
    finally:
        athena.close()
        emr.close()
    return sent[0]["status"], sent[1]["body"]


def test_what_is_not_ours_passes_byte_for_byte() -> None:
    assert asked("/bucket/key", b"\x00\xffpart by part", authorization=SIGNED.format("s3")) == (
        299,
        b"\x00\xffpart by part",
    )
    assert asked(body=b"{}", x_amz_target="AmazonAthena.GetWorkGroup", authorization=SIGNED.format("athena"))[0] == 299


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"origin": "http://evil.example"}, 403, "pages in a browser are refused"),
        ({"host": "evil.example"}, 403, "pages in a browser are refused"),
        ({"x_amz_target": "AmazonAthena.StartQueryExecution"}, 403, "not signed"),
        ({"x_amz_target": "AmazonAthena.GetQueryExecution", "authorization": SIGNED.format("athena")}, 400,
         "QueryExecution nothing was not found"),
        ({"authorization": SIGNED.format("emr-serverless")}, 404, "is not emulated (local emulation)"),
        ({"authorization": SIGNED.format("lakeformation")}, 400, "is not emulated (local emulation)"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(headers: dict[str, str], status: int, said: str) -> None:
    code, content = asked("/unknown", b'{"QueryExecutionId": "nothing"}', **headers)
    assert code == status
    assert said in content.decode()


def test_permissions_and_tags_are_recorded() -> None:
    formation = Formation()

    def call(operation: str, **arguments: object) -> Any:
        status, _, content = formation.answer(f"/{operation}", json.dumps(arguments).encode())
        return status, json.loads(content)

    grant = {"Principal": {"DataLakePrincipalIdentifier": "a"}, "Resource": {"Table": {"Name": "t"}}}
    for permission in ("SELECT", "DESCRIBE"):
        assert call("GrantPermissions", **grant, Permissions=[permission]) == (200, {})
    columns = {"TableWithColumns": {"Name": "t", "ColumnWildcard": {"ExcludedColumnNames": ["c"]}}}
    call("GrantPermissions", Principal={"DataLakePrincipalIdentifier": "b"}, Resource=columns, Permissions=["SELECT"])
    listed = call("ListPermissions", Resource=grant["Resource"])[1]["PrincipalResourcePermissions"]
    assert [each["Principal"]["DataLakePrincipalIdentifier"] for each in listed] == ["a", "b"]
    call("RevokePermissions", Principal={"DataLakePrincipalIdentifier": "b"}, Resource=columns, Permissions=["SELECT"])
    call("RevokePermissions", **grant, Permissions=["SELECT"])
    status, said = call("RevokePermissions", **grant, Permissions=["SELECT"])
    assert (status, said["Message"].partition(". ")[0]) == (400, "No permissions revoked")
    assert [p["Permissions"] for p in call("ListPermissions")[1]["PrincipalResourcePermissions"]] == [["DESCRIBE"]]
    call("CreateLFTag", TagKey="secret", TagValues=["yes"])
    call("AddLFTagsToResource", Resource=grant["Resource"], LFTags=[{"TagKey": "secret", "TagValues": ["yes"]}])
    assert call("GetResourceLFTags", Resource=grant["Resource"])[1]["LFTagsOnTable"][0]["TagKey"] == "secret"
    call("RemoveLFTagsFromResource", Resource=grant["Resource"], LFTags=[{"TagKey": "secret", "TagValues": ["yes"]}])
    assert call("GetResourceLFTags", Resource=grant["Resource"])[1] == {"LFTagsOnTable": []}
    for _ in range(2):
        call("CreateLakeFormationOptIn", **grant)
    (opted,) = call("ListLakeFormationOptIns", Resource=grant["Resource"])[1]["LakeFormationOptInsInfoList"]
    assert opted["LastModified"] > 0
    call("DeleteLakeFormationOptIn", **grant)
    assert call("ListLakeFormationOptIns")[1] == {"LakeFormationOptInsInfoList": []}
    call("PutDataLakeSettings", DataLakeSettings={"DataLakeAdmins": [1]})
    assert call("GetDataLakeSettings")[1]["DataLakeSettings"]["DataLakeAdmins"] == [1]
    assert call("DescribeResource", ResourceArn="nowhere") == (
        400,
        {"Message": "nowhere is not there (local emulation)"},
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.5, "1.5"), (1e7, "1.0E7"), (-123456789.25, "-1.2345678925E8"), (0.00012, "1.2E-4"), (0.0, "0.0"),
     (float("nan"), "NaN"), (float("-inf"), "-Infinity"), (True, "true"), ({"a": None, "b": [1]}, "{a=null, b=[1]}")],
)  # fmt: skip
def test_values_are_written_as_athena_writes_them(value: object, written: str) -> None:
    assert text(value) == written


def test_somebody_elses_aws_yaml_stays(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    for endpoint in ("http://127.0.0.1:1", "http://127.0.0.1:2"):
        place.write_settings(home, endpoint)
    file = home.path / "aws.yaml"
    assert "127.0.0.1%3A2" in file.read_text()
    file.write_text("hot: {url: dynamodb://mine}\n")
    with pytest.raises(ConfigError, match=r"names another place, and stays as it is; give another home"):
        place.write_settings(home, "http://127.0.0.1:3")
    assert "mine" in file.read_text()


def test_a_port_that_is_taken_and_an_extra_that_is_missing_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(UsageError, match=r"port \d+ cannot be used \(Address already in use\); give another one"):
            serving.serve(other.getsockname()[1], None, lambda _: None)
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "ministack" else object())
    with pytest.raises(ConfigError, match=r"not installed; install the extra: pip install 'coattail\[emulate\]'"):
        serving.serve(0, None, lambda _: None)


def test_a_file_is_no_folder_for_what_services_hold(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--data .*/file cannot be used \(Not a directory\); give a folder"):
        serving._environment("http://127.0.0.1:4566", tmp_path / "file")
