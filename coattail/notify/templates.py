"""How services want to be told: what is posted for a message, and where to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from coattail.notify.message import Message

_NTFY_PRIORITIES = {"low": 2, "medium": 3, "high": 4, "critical": 5}
WHOLE = "{alert}"
"""A text of a template that is this alone becomes the alert's whole JSON."""


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """Where a message goes: what the configuration says of it, secrets revealed."""

    url: str
    token: str = ""
    chat: str = ""


@dataclass(frozen=True, kw_only=True)
class ChatService:
    """A service: what it needs to be told, and how a message is posted to it."""

    needs: tuple[str, ...] = ("url",)
    url: str | None = None
    """Where it is, unless the configuration says otherwise; None: nobody knows."""
    bearer: bool = True
    """Whether a token goes into the header Authorization; else `post` puts it elsewhere."""
    post: Callable[[Message, Addressee], tuple[str, Any]]
    """The URL and what is posted there as JSON."""


def _generic(message: Message, target: Addressee) -> tuple[str, Any]:
    return target.url, message.document()


def _slack(message: Message, target: Addressee) -> tuple[str, Any]:
    """https://docs.slack.dev/messaging/formatting-message-text: three characters are escaped."""
    text = _both(message).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return target.url, {"text": text}


def _discord(message: Message, target: Addressee) -> tuple[str, Any]:
    """https://discord.com/developers/docs/resources/webhook#execute-webhook; nobody is mentioned."""
    return target.url, {"content": _both(message), "allowed_mentions": {"parse": []}}


def _telegram(message: Message, target: Addressee) -> tuple[str, Any]:
    """https://core.telegram.org/bots/api#sendmessage: plain text, so that nothing needs escaping."""
    url = f"{target.url.rstrip('/')}/bot{quote(target.token, safe=':')}/sendMessage"
    return url, {"chat_id": target.chat, "text": _both(message)}


def _ntfy(message: Message, target: Addressee) -> tuple[str, Any]:
    """https://docs.ntfy.sh/publish/#publish-as-json: to the server's root, which the topic's URL begins with."""
    parts = urlsplit(target.url)
    root = urlunsplit((parts.scheme, parts.netloc, "/", "", ""))
    return root, {
        "topic": parts.path.strip("/"),
        "title": message.title,
        "message": message.text,
        "priority": _NTFY_PRIORITIES[message.alert.severity],
        "tags": [message.alert.alert_type],
    }


def _both(message: Message) -> str:
    return f"{message.title}\n{message.text}"


SERVICES: dict[str, ChatService] = {
    "generic": ChatService(post=_generic),
    "slack": ChatService(post=_slack),
    "discord": ChatService(post=_discord),
    "telegram": ChatService(
        needs=("token", "chat"), url="https://api.telegram.org", bearer=False, post=_telegram
    ),
    "ntfy": ChatService(post=_ntfy),
}  # fmt: skip
"""Every template, by the name that the configuration gives."""


def filled(body: Any, message: Message) -> Any:
    """A body of somebody's own, with each `{field}` in its texts replaced."""
    match body:
        case Mapping():
            return {name: filled(inner, message) for name, inner in body.items()}
        case list() | tuple():
            return [filled(inner, message) for inner in body]
        case str() if body == WHOLE:
            return message.document()["alert"]
        case str():
            return body.format_map(message.fields())
    return body


def as_template(text: str) -> str:
    """The template that is filled in to this very text."""
    return text.replace("{", "{{").replace("}", "}}")


def refusal(body: Any, known: Mapping[str, str]) -> str | None:
    """What is wrong with a body of somebody's own, in words that follow its name; None: nothing."""
    names: set[str] = set()
    for text in _texts(body):
        try:
            parts = list(Formatter().parse(text))
        except ValueError as error:
            return f"is no template ({error})"
        for _, name, form, conversion in parts:
            if name is None or text == WHOLE:
                continue
            if name not in known or form or conversion:
                shown = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
                return f"names the unknown field {{{shown}}}"
            names.add(name)
    return None if names & {"disclaimer", "text"} else "does not say that it is not advice"


def _texts(body: Any) -> list[str]:
    match body:
        case Mapping():
            return [text for inner in body.values() for text in _texts(inner)]
        case list() | tuple():
            return [text for inner in body for text in _texts(inner)]
        case str():
            return [body]
    return []
