"""A text for people against the claims behind it: every number has a query that gives it now, and nothing is promised.

A number stands for all values that round to it as it is written: `1.4 M` for 1,399,888. It needs a claim of that value
whose words stand in its line too, so that 13 of one thing is not taken for 13 of another. A sentence that is quoted in
full brings its own numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coattail.alerts import DISCLAIMER
from coattail.markup import visible
from coattail.reports.claims import Claim

LONGEST = 3000
"""Characters of a post: what LinkedIn takes (https://www.linkedin.com/help/linkedin/answer/a528176)."""

Answer = int | float | str | None
"""What a query gives now; None where it cannot be asked, or gives nothing."""

_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9, "t": 1e12, "trillion": 1e12}
_UNITS = {"%": "%", "percent": "%", "times": "×", "×": "×"}  # noqa: RUF001
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[-+−]?)(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<part>\.\d+)?"  # noqa: RUF001
    r"(?:\s?(?P<scale>thousand|million|billion|trillion|bn|[kKMT])(?!\w))?"
    r"(?:\s?(?P<unit>%|percent\b|times\b|×))?(?![\w]|[.,]\d)"  # noqa: RUF001
)
_WHEN = re.compile(r"\b\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?|\b\d{1,2}:\d\d(?::\d\d)?\b")
_LINK = re.compile(r"https?://\S+")
_GLUED = re.compile(r"[^\s,;()\"']*\d[^\s,;()\"']*")
_SPELT = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?|hundreds?|thousands?|millions?|billions?"
    r"|half|halved|twice|doubled?|tripled?|tenfold)\b",
    re.IGNORECASE,
)
_PROMISE = re.compile(
    r"\b(guarantee[sd]?|guaranteed|always|never|first|best|profits?|profitabl[ey]|risk[- ]free|no risk|can'?t lose"
    r"|cannot lose|sure thing|easy money|get rich|moon|outperforms?|beats? the market|unbeatable|fool-?proof"
    r"|win rate|buy now|sell now|only tool|no other tool)\b",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"\b(?:no|zero|without(?: a| any)?) (?:gaps?|(?:single )?trades? (?:is |are |was |were )?(?:missing|lost))\b"
    r"|\b(?:none|nothing)(?: \w+){0,2} (?:missing|lost)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_SMALL = {"of", "and", "the", "between", "on", "in", "is", "are", "all"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What must not be posted, and why."""

    line: int
    """Counted from 1; 0: of the whole text."""
    text: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text!r}: {self.why}" if self.line else self.why


def problems_of(text: str, claims: Sequence[Claim], answers: Mapping[str, Answer]) -> list[Problem]:
    """What is wrong with a text, in the order of its lines; empty where it may be posted.

    claims: What it may say. answers: Query of a claim -> what it gives now.
    """
    found = [*_whole(text)]
    known = [(claim, answers.get(claim.query)) for claim in claims]
    whens = {part for claim in claims for when in _WHEN.findall(claim.query) for part in _parts(when)} | {"24:00"}
    for place, line in enumerate(text.splitlines(), start=1):
        if line.strip() == DISCLAIMER:
            continue
        found += [
            Problem(line=place, text=said, why=why)
            for said, why in (*_unquoted(line, known, whens), *_promises(line, claims))
        ]
    return found


def _whole(text: str) -> Iterator[Problem]:
    if DISCLAIMER not in [line.strip() for line in text.splitlines()]:
        yield Problem(line=0, text="", why=f"the disclaimer is missing, on a line of its own: {DISCLAIMER}")
    if len(text) > LONGEST:
        yield Problem(line=0, text="", why=f"{len(text):,} characters, and a post has at most {LONGEST:,}")


def _unquoted(line: str, known: Sequence[tuple[Claim, Answer]], whens: set[str]) -> Iterator[tuple[str, str]]:
    """Numbers that no claim gives, each with the reason. Quoted sentences, and links, are not looked into."""
    rest = _LINK.sub(_blank, line)
    for claim, now in known:
        if isinstance(claim.value, str) and len(quote := plain(claim.value)) > 1 and quote in rest:
            if now == claim.value:
                rest = rest.replace(quote, " " * len(quote))
            else:
                yield quote, _stale(claim, now)
    for when in _WHEN.findall(rest):
        if not _parts(when) <= whens:
            yield when, "no query of the claims is about that time"
    rest = _WHEN.sub(_blank, rest)
    snapshots = {claim.snapshot for claim, _ in known if claim.snapshot}
    for number in _NUMBER.finditer(rest):
        if number[0].strip() not in snapshots and (why := _unsupported(number, line, known)) is not None:
            yield number[0].strip(), why
    rest = _NUMBER.sub(_blank, rest)
    vocabulary = " ".join(f"{claim.text} {claim.query}" for claim, _ in known)
    for glued in _GLUED.findall(rest):
        if glued.strip("#.:!?*") not in vocabulary:
            yield glued, "neither a number that can be checked, nor a name that the claims know"
    if (none := _NONE.search(rest)) and not any(
        claim.text.endswith(" missing") and (claim.value, now) == (0, 0) for claim, now in known
    ):
        yield none[0], "the claims do not say that none is missing"
    for spelt in _SPELT.finditer(rest):
        yield spelt[0], "a number in words cannot be checked: write it in digits"


def _parts(when: str) -> set[str]:
    """Day and minute of a time as it is written."""
    return {part[:5] if ":" in part else part for part in when.removesuffix("Z").split("T")}


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _unsupported(number: re.Match[str], line: str, known: Sequence[tuple[Claim, Answer]]) -> str | None:
    """Why a number must not stand there; None if a claim gives it."""
    scale = _SCALES[number["scale"].lower()] if number["scale"] else 1.0
    value = float(number["whole"].replace(",", "") + (number["part"] or "")) * scale
    value = -value if number["sign"] in ("-", "−") else value  # noqa: RUF001
    tolerance = 0.5 * 10.0 ** -len((number["part"] or ".")[1:]) * scale
    equal = [
        (claim, now)
        for claim, now in known
        if not isinstance(claim.value, str)
        and abs(claim.value - value) <= tolerance * (1 + 1e-9)
        and _UNITS.get(number["unit"] or "", "") == _unit_of(claim)
    ]
    words = {word.lower() for word in _WORD.findall(line)}
    fitting = [(claim, now) for claim, now in equal if _words_of(claim) <= words]
    if any(_same(claim.value, now) for claim, now in fitting):
        return None
    if fitting:
        return _stale(*fitting[0])
    if equal:
        said = ", ".join(repr(claim.text) for claim, _ in equal[:3])
        return f"the claims have this number as {said}: say in this line what it counts"
    return "no query of the claims gives it"


def _unit_of(claim: Claim) -> str:
    found = _NUMBER.search(claim.text)
    return _UNITS.get((found and found["unit"]) or "", "")


def _words_of(claim: Claim) -> set[str]:
    rest = _NUMBER.sub(" ", claim.text)
    return {word.lower() for word in _WORD.findall(rest)} - _SMALL


def _same(was: float | str, now: Answer) -> bool:
    if isinstance(was, str) or isinstance(now, str) or now is None:
        return was == now
    return abs(was - now) <= 1e-9 * max(abs(was), abs(now))


def _stale(claim: Claim, now: Answer) -> str:
    gives = "gives nothing" if now is None else f"gives {now!r}"
    return f"stale: its query {gives} now ({claim.query})"


def _promises(line: str, claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    """Words that promise; the name of a coin in capitals is none."""
    coins = {part for claim in claims for part in re.findall(r"\b[A-Z]{2,}\b", f"{claim.text} {claim.query}")}
    for promise in _PROMISE.finditer(line):
        if promise[0] not in coins:
            yield promise[0], "a promise, or a boast: say what was measured"


def plain(text: str) -> str:
    """The text without what a post, or Markdown, would take for more than text: links, tags, mentions, code."""
    kept = "".join(" " if letter in "<>[]`*_#@|\\~" else letter for letter in visible(" ".join(text.split())))
    return " ".join(re.sub(r"(?i)\b(https?|ftp|javascript|data|mailto):(//)?|www\.", " ", kept).split())
