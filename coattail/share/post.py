"""The text of a post, drafted from what stands first and from its claims: what a person then edits. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from coattail.alerts import DISCLAIMER
from coattail.reports.claims import Claim
from coattail.reports.facts import ReportFacts
from coattail.reports.front import Front
from coattail.reports.market import assets_of
from coattail.share.card import Origin
from coattail.share.claims import plain

_MOST_TAGS = 3


def draft(facts: ReportFacts, front: Front, origin: Origin, claims: Sequence[Claim]) -> str:
    """The text, its hashtags, and the alt text of the card; a line is a paragraph.

    claims: Those of the same facts; their messages are quoted.
    """
    trades, alerts, instruments, venues, missing, gaps = (claim.text for claim in claims[:6])
    messages = [plain(claim.value) for claim in claims if isinstance(claim.value, str)]
    orders = [claim.text for claim in claims if claim.text.startswith("largest order")]
    order = front.tiles[3]
    lines = [
        plain(front.headline),
        "",
        *(f"{'Above all' if place == 0 else 'And'}: {said}" for place, said in enumerate(messages)),
        *([""] if messages else []),
        f"- {trades} on {instruments} at {venues}, {front.when}",
        f"- {missing}{f' in {gaps}' if claims[4].value else ''}, counted by the exchanges' own trade ids",
        *(f"- {order.name}: {order.value}, {plain(order.note)}" for _ in orders),
        "",
        f"Each number has its query; {origin.snapshot}. The same report again: {plain(origin.command)}",
        "",
        DISCLAIMER,
        "",
        " ".join(f"#{tag}" for tag in ("crypto", "marketdata", *_coins(facts))),
        "",
        f"Alt text of the picture: {_picture(front)} Figures: {'; '.join([trades, alerts, missing, *orders])}.",
    ]
    return "\n".join(lines) + "\n"


def _coins(facts: ReportFacts) -> list[str]:
    """The largest assets, as far as their names make a hashtag."""
    names = dict.fromkeys(group.name.partition(" in ")[0] for group in assets_of(facts))
    return [name for name in names if name.isascii() and name.isalpha()][:_MOST_TAGS]


def _picture(front: Front) -> str:
    if front.hero is None:
        return "a card without a chart, because no trade has landed."
    asset = plain(front.hero.title.partition(":")[0])
    return f"the price of {asset} as a line, with its alerts as marks{' and gaps shaded' if front.hero.shades else ''}."
