"""docs/AWS.md says of everything how far it was tried: no claim about a service stands without a label."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "AWS.md"
LABELS = ("on this machine", "emulated", "modelled", "planned", "documented", "not exercised")
_LABEL = re.compile("|".join(LABELS), re.IGNORECASE)
_SERVICE = re.compile(
    r"\b(AWS|Kinesis|S3|Glue|DynamoDB|EMR|Athena|Lambda|API Gateway|CloudWatch|Step Functions|Lake Formation|KMS|IAM"
    r"|Systems Manager|SSM|EventBridge|SNS|bucket)\b"
)


def unlabelled(text: str) -> list[str]:
    """Claims without a label: rows of a table; paragraphs and items that name a service. Code and headings are none."""
    found: list[str] = []
    _, text = text.split("\n## ", 1)  # the introduction says what the labels mean
    for block in re.sub(r"```.*?```", "", text, flags=re.DOTALL).split("\n\n"):
        lines = [line for line in block.strip().splitlines() if not line.startswith("#")]
        if lines and lines[0].startswith("|"):
            if "how far" in lines[0]:
                last = [row.strip().strip("|").rsplit("|", 1)[-1] for row in lines[2:]]
                found += [row for row, cell in zip(lines[2:], last, strict=True) if not _LABEL.search(cell)]
            else:
                found.append(lines[0])
            continue
        for claim in re.split(r"\n(?=- |\d+\. )", "\n".join(lines)):
            if _SERVICE.search(claim) and not _LABEL.search(claim):
                found.append(claim)
    return found


def test_every_claim_has_a_label() -> None:
    assert unlabelled(PAGE.read_text()) == []


@pytest.mark.parametrize(
    "claim",
    [
        "Athena reads it all.",
        "- Glue is asked twice.\n- A bucket, three times: emulated.",
        "| claim | how far it was tried |\n|---|---|\n| Kinesis keeps order | yes |",
        "| service | role |\n|---|---|\n| EMR Serverless | driver |",
    ],
)
def test_one_without_is_found(claim: str) -> None:
    text = PAGE.read_text()
    assert len(unlabelled(f"{text}\n\n{claim}\n")) == len(unlabelled(text)) + 1


def test_the_page_explains_every_label_that_it_may_use() -> None:
    introduction = PAGE.read_text().split("\n## ", 1)[0]
    assert [label for label in LABELS if f"**{label}**" not in introduction] == []
