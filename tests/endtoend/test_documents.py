"""README and the pages beside it say what is so."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from coattail.alerts import DISCLAIMER
from coattail.detectors import DETECTORS
from tests.harness.commands import Done
from tests.harness.processes import ROOT

Run = Callable[..., Done]
REGISTRY = (ROOT / "docs" / "MODULE_REGISTRY.md").read_text()


def fixed_parts(line: str) -> str:
    """The line without what differs from run to run: numbers and the width of columns."""
    return re.sub(r"[\d,.]*\d", "#", " ".join(line.split()))


def test_the_demo_that_the_page_quotes_is_what_a_demo_prints(demo_output: str) -> None:
    quoted = re.search(r"```text\n(A simulated market .*?)```", (ROOT / "docs" / "DEMO.md").read_text(), re.DOTALL)
    assert quoted is not None
    lines = [line for line in quoted[1].splitlines() if line.strip() not in ("", "…")]
    assert len(lines) > 12
    printed = {fixed_parts(line) for line in demo_output.splitlines()}
    assert [line for line in lines if fixed_parts(line) not in printed] == []


def test_the_tree_on_the_page_is_the_tree() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    block = re.search(r"## The tree\n\n```text\n(.*?)```", page, re.DOTALL)
    assert block is not None
    named: set[str] = set()
    for line in block[1].splitlines():
        name = line.split()[0].rstrip("/")
        named.add(f"coattail/{name}" if line.startswith(" ") else name)
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    inside = {f"coattail/{path.name}" for path in (ROOT / "coattail").iterdir() if path.is_dir()}
    assert inside - {"coattail/__pycache__"} <= named


@pytest.mark.parametrize(
    "page", ["README.md", "docs/DEMO.md", "docs/MODULE_REGISTRY.md", "docs/RESPONSIBLE_USE.md", "docs/PRD.md"]
)
def test_pages_about_signals_carry_the_disclaimer(page: str) -> None:
    assert DISCLAIMER in (ROOT / page).read_text()


@pytest.mark.parametrize(("preset", "name"), [(p, name) for p, modules in DETECTORS.items() for name in modules])
def test_the_registry_has_every_detector_with_its_parameters_and_defaults(preset: str, name: str) -> None:
    detector = DETECTORS[preset][name]
    section = re.search(rf"\n## {detector.module_id} {name}\n(.*?)\n## ", REGISTRY, re.DOTALL)
    assert section is not None
    text = section[1]
    own = re.search(rf"### Preset {preset}\n(.*?)(\n### |$)", text, re.DOTALL)
    assert own is not None
    listed = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", own[1], re.MULTILINE))
    assert listed == {field.name: str(field.default) for field in fields(detector) if field.init}
    assert f"**Table** `{detector.table.name}`" in text
    head = text.split("**Alert types**")[0].replace("\n", " ")
    assert [column.name for column in detector.table.columns if f"`{column.name}`" not in head] == []
    assert [t.name for t in detector.alert_types if f"`{t.name}`" not in text] == []


def test_modules_to_come_are_a_plain_list() -> None:
    planned = re.findall(r"^- (MOD-\d+) ", REGISTRY, re.MULTILINE)
    here = {detector.module_id for modules in DETECTORS.values() for detector in modules.values()}
    assert sorted({*planned, *here}) == [f"MOD-{number:03}" for number in range(1, 12)]
    assert here.isdisjoint(planned)


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Dotted keys; maps whose keys are data are left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}{name}"
            if name not in FREE:
                yield from keys(inner, f"{path}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from keys(item, path)


FREE = {"alerts", "rejected_by_reason", "unsupported", "frames", "planted_kinds", "recordings"}


def test_the_page_of_commands_lists_the_keys_that_are_printed(run: Run, market_folder: Path) -> None:
    page = (ROOT / "docs" / "CLI.md").read_text()
    documented = {
        name: json.loads(block)
        for name, block in re.findall(r"## coattail (demo|simulate|replay|land)\n.*?```json\n(.*?)```", page, re.DOTALL)
    }
    (Path.cwd() / "holed").write_bytes(b"")
    printed = {
        "demo": run("demo", "--seconds", "0", "--json").json,
        "simulate": run("simulate", "--out", "made", "--hours", "0.02", "--json").json,
        "replay": run("replay", market_folder, "--json").json,
        "land": run("land", "--drain", "--json").json,
    }
    documented["simulate"]["planted"] = printed["simulate"]["planted"] = {}
    for name, document in printed.items():
        gaps = "landed.gaps."
        assert {k for k in keys(documented[name]) if not k.startswith(gaps)} == set(keys(document)), name
