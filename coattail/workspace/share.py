"""What a report takes with it: card and pages beside it, and the text of a post, checked against the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from coattail.errors import CoattailError, UsageError
from coattail.reports.claims import Claim, claims_of
from coattail.reports.facts import ReportFacts, Span, read_facts
from coattail.reports.files import refuse_foreign, write_whole
from coattail.reports.front import Front, front_of
from coattail.share.card import MADE_BY, Origin, card_of, origin_of
from coattail.share.claims import Answer, Problem, problems_of
from coattail.share.ink import font_of
from coattail.share.links import subject_of
from coattail.share.pages import pages_of
from coattail.share.post import draft
from coattail.workspace.documents.share import PostCheckDocument, PostDocument, ProblemDocument
from coattail.workspace.opening import Stores
from coattail.workspace.queries import ask
from coattail.workspace.shown import Displayed
from coattail.workspace.text import printable

_MOST_BYTES = 200_000
"""Of a text to check: a post has 3,000 characters."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Where a report's card, pages, claims and post are: `day.html` has `day-card.png` beside it."""

    page: Path

    @property
    def card(self) -> Path:
        """1200 x 627 pixels."""
        return self.page.with_name(f"{self.page.stem}-card.png")

    @property
    def pages(self) -> Path:
        """Five pages for a document post."""
        return self.page.with_name(f"{self.page.stem}-pages.pdf")

    @property
    def claims(self) -> Path:
        """Every figure with its query, its value and its snapshot."""
        return self.page.with_name(f"{self.page.stem}-claims.json")

    @property
    def post(self) -> Path:
        """The text, for a person to edit."""
        return self.page.with_name(f"{self.page.stem}-post.txt")


@dataclass(frozen=True, kw_only=True, repr=False)
class Post(Displayed):
    """A post that was drafted. Printing it shows the text."""

    out: Path
    claims: Path
    text: str

    def said(self) -> list[str]:
        """The text, and how it is checked."""
        said = [printable(line) for line in self.text.splitlines()]
        return [*said, f"{self.out}: edit it, then coattail report post --check {self.out}"]

    @property
    def document(self) -> PostDocument:
        """The JSON form."""
        return PostDocument(out=self.out, claims=self.claims, characters=len(self.text), text=self.text)


@dataclass(frozen=True, kw_only=True, repr=False)
class PostCheck(Displayed):
    """A text held against its claims. Printing it lists what must not be posted."""

    file: Path
    problems: Sequence[Problem]
    claims: int

    def said(self) -> list[str]:
        """What must not be posted."""
        if not self.problems:
            return [f"{self.file}: every number has its query, asked again just now ({self.claims} claims)"]
        return [f"{self.file}: {printable(str(problem))}" for problem in self.problems]

    @property
    def document(self) -> PostCheckDocument:
        """The JSON form."""
        problems = [ProblemDocument(line=one.line, text=one.text, why=one.why) for one in self.problems]
        return PostCheckDocument(file=self.file, claims=self.claims, problems=problems)


def refuse_kit(page: Path, *, force: bool) -> None:
    """Refuse before any work what would hinder `write_kit`.

    Raises: UsageError: If Pillow is missing, or another file is where card, pages or claims belong.
    """
    font_of(10)
    beside = Beside(page=page)
    refuse_foreign(beside.card, force=force, ours=_is_ours, what="a card")
    refuse_foreign(beside.pages, force=force, ours=_is_ours, what="a report's pages")
    refuse_foreign(beside.claims, force=force, ours=_is_claims, what="a list of claims")


def write_kit(page: Path, facts: ReportFacts, front: Front, *, force: bool) -> list[Path]:
    """Write card, pages and claims beside a page; returns where they are.

    Raises: UsageError, StoreError: As `refuse_kit`, or if the disk is full.
    """
    beside, origin, claims = Beside(page=page), origin_of(facts), claims_of(facts)
    files = {
        beside.card: card_of(front, origin),
        beside.pages: pages_of(facts, front, origin, claims),
        beside.claims: _encoded(claims),
    }
    for path, data in files.items():
        write_whole(data, path, lambda: refuse_kit(page, force=force))
    return list(files)


def post(stores: Stores, name: str, *, force: bool = False) -> Post:
    """Draft the text of a post about a report, and check it as any other.

    name: The report's file, with or without `.html`. force: Replace a text that is there, edited or not.
    Raises: UsageError: If there is no such report, or a text is there already. CoattailError: If the report's figures
    are not those of today.
    """
    page = page_named(name)
    beside, subject = Beside(page=page), subject_of(page)
    refuse_foreign(beside.post, force=force, ours=lambda _: False, what="replaced: it may have been edited")
    refuse_foreign(beside.claims, force=force, ours=_is_claims, what="a list of claims")
    span = Span(since=subject.since, until=subject.until)
    facts = read_facts(
        stores.lake, stores.hot, stores.letters, span, subject.symbols, marks=stores.marks(), now=datetime.now(UTC)
    )
    front, origin, claims = front_of(facts), origin_of(facts), claims_of(facts)
    if beside.claims.exists():
        _refuse_older(page, _claims_in(beside.claims), claims, origin)
    text = draft(facts, front, origin, claims)
    problems = problems_of(text, claims, _answers(stores, claims))
    if problems:
        raise CoattailError(
            "the draft does not hold: " + "; ".join(map(str, problems)),
            next_step="an engine may have landed more: ask again",
        )
    write_whole(_encoded(claims), beside.claims)
    write_whole(text.encode(), beside.post)
    return Post(out=beside.post, claims=beside.claims, text=text)


def check(stores: Stores, file: Path, name: str | None = None) -> PostCheck:
    """Hold an edited text against the claims of its report, each asked again.

    name: The report's file, with or without `.html`; None means the one that the text's name says, `NAME-post.txt`.
    Raises: UsageError: If the text cannot be read, or there are no claims.
    """
    own = file.name.removesuffix(file.suffix)
    if name is None and not own.endswith("-post"):
        step = f"name its report too: coattail report post NAME --check {file}"
        raise UsageError(f"{file} does not say which report it is about", next_step=step)
    page = file.with_name(f"{own.removesuffix('-post')}.html") if name is None else page_named(name)
    claims = _claims_in(Beside(page=page).claims)
    try:
        with open(file, "rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        step = "draft it: coattail report post NAME"
        raise UsageError(f"{file} cannot be read as text ({error})", next_step=step) from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{file} has more than {_MOST_BYTES:,} bytes", next_step="a post has 3,000 characters")
    return PostCheck(file=file, problems=problems_of(text, claims, _answers(stores, claims)), claims=len(claims))


def page_named(name: str) -> Path:
    """The report's file."""
    return Path(name) if name.endswith((".html", ".htm")) else Path(f"{name}.html")


def _answers(stores: Stores, claims: Sequence[Claim]) -> Mapping[str, Answer]:
    """Query -> what it gives now; None where it fails or gives no single value."""
    return {query: _answer(stores, query) for query in dict.fromkeys(claim.query for claim in claims)}


def _answer(stores: Stores, query: str) -> Answer:
    try:
        rows = ask(stores, query, limit=2).tuples()
    except CoattailError:
        return None
    value = rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, int | float | str) else None


def _refuse_older(page: Path, then: Sequence[Claim], now: Sequence[Claim], origin: Origin) -> None:
    known = {claim.query: claim for claim in now}
    for was in then:
        today = known.get(was.query)
        if today is None or today.value != was.value:
            raise CoattailError(
                f"{page} says {was.text!r}, and today it is {today.text if today else 'not so'!r}",
                next_step=f"make it again: {origin.command} --share --out {page}",
            )


def _encoded(claims: Sequence[Claim]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(list(claims)), indent=2) + b"\n"


def _claims_in(path: Path) -> list[Claim]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Claim])
    except OSError as error:
        step = "draft the post first: coattail report post NAME"
        raise UsageError(f"there are no claims at {path} ({error.strerror})", next_step=step) from None
    except msgspec.DecodeError as error:
        step = "claims are a list of {text, query, value, snapshot}"
        raise UsageError(f"{path} cannot be read: {error}", next_step=step) from None


def _is_claims(path: Path) -> bool:
    try:
        return bool(_claims_in(path)) or True
    except UsageError:
        return False


def _is_ours(path: Path) -> bool:
    """Whether a picture or a document says that a report made it."""
    data = path.read_bytes()
    return MADE_BY.encode() in data[:300] or MADE_BY.encode("utf_16_be") in data
