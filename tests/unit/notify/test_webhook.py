"""A webhook: what is posted, how answers are understood, and what is never said."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from coattail.alerts import DISCLAIMER
from coattail.config import load_settings
from coattail.errors import ConfigError
from coattail.notify import SINKS, sinks_of
from coattail.notify.message import FIRED, RETRACTED, ROSE, Message
from coattail.notify.sink import AlertSink
from coattail.notify.templates import SERVICES
from coattail.notify.webhook import WebhookSink, asked_to_wait
from coattail.values import write_value
from coattail.workspace.documents import plain
from coattail.workspace.documents.alerts import alert_document
from tests.harness.alerts import NOW, make_alert
from tests.harness.scripted_server import Reply, serving


def message(occasion: str = FIRED, **fields: Any) -> Message:
    return Message(alert=make_alert(**fields), recorded_at=NOW, occasion=occasion)


def webhook(url: str, **parameters: Any) -> WebhookSink:
    return WebhookSink(name="phone", url=url, **parameters)


def standard_webhooks_verified(secret: str, headers: Any, body: bytes) -> bool:
    """Written from the specification (standardwebhooks.com), not from coattail."""
    key = base64.b64decode(secret[len("whsec_") :])
    content = b"%s.%s.%s" % (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    expected = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh and any(
        version == "v1" and hmac.compare_digest(signature, expected)
        for version, _, signature in (one.partition(",") for one in headers["webhook-signature"].split(" "))
    )


def test_the_body_is_the_alert_in_its_one_form_with_the_disclaimer() -> None:
    with serving() as server:
        answer = webhook(f"{server.url}/hook").deliver(message())
    (asked,) = server.asked
    assert (answer.outcome, answer.detail) == ("delivered", "200 OK")
    assert asked.path == "/hook"
    assert asked.json["disclaimer"] == DISCLAIMER
    assert DISCLAIMER in asked.json["text"]
    listed = plain(alert_document(make_alert(), NOW))
    assert asked.json["alert"] == {name: listed[name] for name in asked.json["alert"]}
    assert {*listed} - {*asked.json["alert"]} <= {"muted", "acknowledged"}
    assert asked.key == asked.headers["webhook-id"] == make_alert().alert_id
    assert "webhook-signature" not in asked.headers


def test_a_signature_is_verified_by_whoever_follows_the_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
    monkeypatch.setenv("HOOK_SECRET", secret)
    with serving() as server:
        webhook(server.url, secret="env:HOOK_SECRET").deliver(message())
    (asked,) = server.asked
    assert standard_webhooks_verified(secret, asked.headers, asked.body)
    assert not standard_webhooks_verified(secret, asked.headers, asked.body + b" ")


def test_a_secret_of_plain_text_signs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "päss")
    _, body, headers = webhook("https://example.org", secret="env:HOOK_SECRET").posted(message(), 1_700_000_000.9)
    signed = f"{'a' * 32}.1700000000.".encode() + body
    digest = hmac.new("päss".encode(), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_what_is_said_later_of_an_alert_has_a_key_of_its_own() -> None:
    assert message().key == "a" * 32
    assert message(ROSE, severity="critical").key == "a" * 32 + ".critical"
    assert message(RETRACTED).key == "a" * 32 + ".retracted"


@pytest.mark.parametrize(
    ("reply", "outcome", "detail"),
    [
        (Reply(204), "delivered", "204 No Content"),
        (Reply(200, body="half of it", how="cut"), "delivered", "200 OK"),
        (Reply(404, body="no_such\nhook"), "refused", "404 Not Found: no_such hook"),
        (Reply(301, {"Location": "http://127.0.0.1/"}), "refused", "301 Moved Permanently"),
        (Reply(408), "failed", "408 Request Timeout"),
        (Reply(500, body="oh"), "failed", "500 Internal Server Error: oh"),
        (Reply(503, body="half", how="cut"), "failed", "503 Service Unavailable: half"),
        (Reply(599), "failed", "599"),
    ],
)
def test_the_status_decides_what_came_of_it(reply: Reply, outcome: str, detail: str) -> None:
    with serving(reply) as server:
        answer = webhook(server.url).deliver(message())
    assert (answer.outcome, answer.detail) == (outcome, detail)
    assert len(server.asked) == 1


def test_a_reset_silence_and_a_closed_port_are_failures_in_words() -> None:
    with serving(Reply(how="reset"), Reply(how="silent")) as server:
        sink = webhook(server.url, timeout=timedelta(milliseconds=300))
        reset, silent = sink.deliver(message()), sink.deliver(message())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = webhook(f"http://127.0.0.1:{unused.getsockname()[1]}").deliver(message())
    assert (reset.outcome, silent.outcome, closed.outcome) == ("failed", "failed", "failed")
    assert silent.detail == "no answer within 300ms"
    assert reset.detail.startswith("127.0.0.1: ")
    assert len(closed.detail) > len("127.0.0.1: ")


def test_a_server_that_drips_its_answer_is_left_after_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sink = webhook(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=timedelta(milliseconds=400))

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):  # the other side goes, as it should
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 100:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.02)

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        answer = sink.deliver(message())
        assert time.monotonic() - began < 2
        thread.join()
    assert (answer.outcome, answer.detail) == ("failed", "no answer within 400ms")


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, "", 7),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after": format_datetime(datetime.fromtimestamp(1_000_030, UTC), usegmt=True)}, "", 30),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "-5"}, "", 0),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "1e300"}, "", 86_400),
        ({}, '{"ok":false,"parameters":{"retry_after":12}}', 12),
        ({}, '{"message":"rate limited","retry_after":1.5}', 1.5),
        ({}, '{"retry_after":"x"}', None),
        ({}, '{"parameters":[1]}', None),
        ({}, "[]", None),
        ({}, "no json", None),
    ],
)
def test_how_long_the_other_side_asks_for_is_understood(
    headers: dict[str, str], body: str, seconds: float | None
) -> None:
    asked = asked_to_wait(headers, body.encode(), clock=lambda: 1_000_000.0)
    assert asked == (None if seconds is None else timedelta(seconds=seconds))


def test_a_429_says_when_to_come_again() -> None:
    with serving(Reply(429, {"Retry-After": "9"})) as server:
        answer = webhook(server.url).deliver(message())
    assert (answer.outcome, answer.retry_after) == ("failed", timedelta(seconds=9))


# -- services --------------------------------------------------------------------------------------------------


def posted(template: str, url: str, **parameters: Any) -> tuple[str, Any, dict[str, str]]:
    address, body, headers = webhook(url, template=template, **parameters).posted(
        message(message="<b> & a whale"), 0
    )  # fmt: skip
    return address, json.loads(body), headers


def test_slack_discord_and_ntfy_get_what_they_understand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTFY_TOKEN", "tk_1")
    url, slack, _ = posted("slack", "https://hooks.slack.com/services/T/B/x")
    assert (url, set(slack)) == ("https://hooks.slack.com/services/T/B/x", {"text"})
    assert "&lt;b&gt; &amp; a whale" in slack["text"]
    _, discord, _ = posted("discord", "https://discord.com/api/webhooks/1/x")
    assert discord["allowed_mentions"] == {"parse": []}
    assert discord["content"].startswith("high whale_trade: BTC-USDT on binance\n<b> & a whale\n")
    url, ntfy, headers = posted("ntfy", "https://ntfy.sh/my-topic", token="env:NTFY_TOKEN")
    assert (url, headers["Authorization"]) == ("https://ntfy.sh/", "Bearer tk_1")
    assert (ntfy["topic"], ntfy["priority"], ntfy["tags"]) == ("my-topic", 4, ["whale_trade"])
    for body in (slack["text"], discord["content"], ntfy["message"]):
        assert body.endswith(DISCLAIMER)


def test_no_service_cuts_off_the_disclaimer_however_long_a_message_is() -> None:
    for template in ("slack", "discord", "ntfy"):
        sink = webhook("https://example.org/topic", template=template)
        body = sink.posted(message(message="é" * 5_000, symbol="X" * 900), 0)[1]
        said = json.loads(body)
        text = said.get("text") or said.get("content") or said["message"]
        assert text.endswith(DISCLAIMER)
        assert (len(text) <= 2_000, len(text.encode()) <= 4_096) == (True, True)


def test_telegram_has_its_token_in_the_address_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_TOKEN", "123:AB/C")
    sink = WebhookSink(name="t", template="telegram", token="env:TELEGRAM_TOKEN", chat="-100")
    url, body, headers = sink.posted(message(), 0)
    assert url == "https://api.telegram.org/bot123:AB%2FC/sendMessage"
    assert json.loads(body)["chat_id"] == "-100"
    assert "Authorization" not in headers


def test_a_body_of_your_own_is_filled_in_and_safe_whatever_the_alert_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHOVER", "hunter{2}")
    body = {"token": "env:PUSHOVER", "title": "{severity} {symbol}", "say": ["{text}", 5], "whole": "{alert}"}
    sink = webhook("https://example.org", body=body)
    assert "hunter" not in repr(sink)
    said = json.loads(sink.posted(message(message='"}{disclaimer}\n', symbol='A"-B'), 0)[1])
    assert (said["token"], said["title"], said["say"][1]) == ("hunter{2}", 'high A"-B', 5)
    assert '"}{disclaimer}\\n' in said["say"][0]
    assert said["whole"]["alert_id"] == "a" * 32


# -- configuration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"url": None}, "notify.sinks.phone.url is missing; generic needs it"),
        ({"url": "example.org/hook"}, "notify.sinks.phone.url is not an address; write it like https://"),
        ({"url": "ftp://example.org"}, "is not an address"),
        ({"url": "https://[bad"}, "is not an address"),
        ({"url": "https://x:99999"}, "is not an address"),
        ({"url": "env:NOT_SET_ANYWHERE"}, "the environment variable NOT_SET_ANYWHERE is not set; export"),
        ({"url": "file:/none/such"}, r"/none/such cannot be read \(No such file or directory\)"),
        ({"template": "slak"}, "template 'slak' is unknown; known: generic, slack"),
        ({"template": "telegram"}, "token is missing; telegram needs it"),
        ({"template": "ntfy", "url": "https://ntfy.sh"}, "names no topic; write it like https://ntfy.sh/my-topic"),
        ({"secret": "hunter2"}, "secret is written out; write env:NAME or file:PATH"),
        ({"token": 7}, "token is not text"),
        ({"min_severity": "bad"}, "min_severity 'bad' is unknown; known: low, medium"),
        ({"body": {"a": "{title}"}}, "does not say that it is not advice; put {text} or {disclaimer} into it"),
        ({"body": {"a": "{disclaimer} {message.__class__}"}}, "names the unknown field {message.__class__}"),
        ({"body": "{disclaimer} {"}, "is no template"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence_without_its_secret(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("{", r"\{")) as caught:
        WebhookSink(**{"name": "phone", "url": "https://example.org", **parameters})
    assert "hunter2" not in str(caught.value)


def test_a_secret_comes_from_a_file_too_and_is_never_shown(tmp_path: Any) -> None:
    (tmp_path / "hook").write_text("https://example.org/hook/hunter2\n")
    sink = webhook(f"file:{tmp_path / 'hook'}")
    assert "hunter2" not in repr(sink) + sink.goes_to
    assert sink.goes_to == "generic at example.org"


def test_an_answer_that_repeats_a_secret_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "hunter2")
    with serving(Reply(400, body="bad token hunter2")) as server:
        answer = webhook(server.url, token="env:HOOK_TOKEN").deliver(message())
    assert server.asked[0].headers["authorization"] == "Bearer hunter2"
    assert answer.detail == "400 Bad Request: bad token ***"


# -- the page --------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[3] / "docs" / "NOTIFY.md").read_text()
RECIPES = re.findall(r"\*\*([^*]+)\*\*:(?:(?!\n\*\*).)*?```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("title", "recipe"), RECIPES, ids=[title for title, _ in RECIPES])
def test_every_recipe_of_the_page_is_understood(
    title: str, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notify-send").write_text("#!/bin/sh\n")
    (tmp_path / "notify-send").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in re.findall(r"env:(\w+)", recipe):
        monkeypatch.setenv(name, "https://example.org/x")
    (tmp_path / "coattail.yaml").write_text(recipe)
    assert sinks_of(load_settings(tmp_path))


def test_there_is_a_recipe_for_each_service_and_kind() -> None:
    assert len(RECIPES) == 8
    for service in (*SERVICES, *SINKS):
        assert service == "generic" or re.search(rf"^ +(template|kind): {service}$", PAGE, re.MULTILINE)


def test_the_check_of_a_signature_on_the_page_works(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
    monkeypatch.setenv("HOOK_SECRET", secret)
    _, body, headers = webhook("https://example.org", secret="env:HOOK_SECRET").posted(message(), time.time())
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["genuine"](secret, headers, body)
    assert not names["genuine"](secret, headers, body + b" ")
    assert not names["genuine"](secret, {**headers, "webhook-timestamp": "1"}, body)


def test_the_page_names_every_field_and_the_defaults_of_a_sink() -> None:
    fields_named = re.search(r"Fields: (.*?)\.\n", PAGE, re.DOTALL)
    assert fields_named is not None
    assert set(re.findall(r"`(\w+)`", fields_named[1])) == set(message().fields())
    table = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE))
    defaults = {
        f.name: "null" if f.default is None else str(write_value(f.default)).lower()
        for f in fields(AlertSink)
        if f.name in table
    }
    assert table == defaults
    assert set(table) | {"name", "types", "symbols", "exchanges"} == {f.name for f in fields(AlertSink)}
