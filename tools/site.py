"""The documentation as a site: pages that are generated, and links that lead out of docs/.

python -m tools.site build/site [--home HOME]

`make site` runs it: every notebook is run on a demo's market (or on HOME), and each page of the site is built; a
warning is an error. MkDocs loads this module too, as its hook.
"""

from __future__ import annotations

import argparse
import importlib
import os
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coattail.charts.colours import ACCENT, ACCENT_ON_DARK
from coattail.charts.mark import SIDE, mark
from coattail.notebooks.shelf import Notebook, shipped

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
RAN = "COATTAIL_SITE_NOTEBOOKS"
"""Environment variable: the folder of notebooks as they ran, as light pages; without it they are shown as written."""

CLASSES = {
    "Connectors": ("coattail.connectors.BaseConnector", "coattail.connectors.lists.ListConnector"),
    "Detectors": ("coattail.detectors.base.BaseDetector", "coattail.detectors.described.AlertType"),
    "Charts": ("coattail.charts.chart.Chart", "coattail.charts.chart.Panels"),
    "Streams and stores": ("coattail.streams.base.Stream", "coattail.stores.hot.HotStore", "coattail.stores.lake.Lake"),
    "Records": ("coattail.records.Trade", "coattail.tables.Table", "coattail.tables.Column"),
}
"""What a person derives from, or is handed; everything asked of a home is `Workspace`."""

_OUT = re.compile(r"(!?\[[^\]]*\])\((?:\.\./)+([^)#\s]+)(#[^)]*)?\)")
_STYLE = f"""
[data-md-color-primary=custom] {{ --md-primary-fg-color: {ACCENT}; --md-accent-fg-color: {ACCENT}; --md-typeset-a-color: {ACCENT}; }}
[data-md-color-scheme=slate][data-md-color-primary=custom] {{ --md-primary-fg-color: #16406f; --md-accent-fg-color: {ACCENT_ON_DARK}; --md-typeset-a-color: {ACCENT_ON_DARK}; }}
iframe.ran {{ width: 100%; height: 80vh; border: 1px solid var(--md-default-fg-color--lightest); }}
"""  # noqa: E501


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs asks which files there are: those of docs/, and the generated ones."""
    from mkdocs.structure.files import File

    for name, content in generated().items():
        files.append(File.generated(config, name, content=content))
    config.nav = _whole(config.nav, sorted(file.src_uri for file in files.documentation_pages()))
    return files


def _whole(entry: Any, pages: list[str]) -> Any:
    """An entry of the navigation; a folder in it stands for its pages, its index first."""
    if isinstance(entry, dict):
        return {name: _whole(inner, pages) for name, inner in entry.items()}
    if isinstance(entry, list):
        return [_whole(inner, pages) for inner in entry]
    if not entry.endswith("/"):
        return entry
    inside = [page for page in pages if page.startswith(entry)]
    return sorted(inside, key=lambda page: (posixpath.basename(page) not in ("index.md", "README.md"), page))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """MkDocs asks for a page's text: links out of docs/ lead to the generated page, or are names of files."""
    return inward(markdown, page.file.src_uri, {file.src_uri for file in files})


def inward(markdown: str, page: str, known: set[str]) -> str:
    """The text of a page in docs/ whose links stay inside the site; what is not in it is named as a file."""

    def replaced(link: re.Match[str]) -> str:
        asked = link[0].rpartition("](")[2].rstrip(")").partition("#")[0]
        if posixpath.normpath(posixpath.join(posixpath.dirname(page), asked)) in known:
            return link[0]
        wanted = _page_of(link[2])
        if wanted in known:
            return f"{link[1]}({posixpath.relpath(wanted, posixpath.dirname(page) or '.')}{link[3] or ''})"
        return f"{link[1].strip('![]')} (`{link[2]}`)"

    return _OUT.sub(replaced, markdown)


def _page_of(path: str) -> str:
    """Where the site has a file of the repository."""
    if path in ("README.md", "CHANGELOG.md"):
        return {"README.md": "index.md", "CHANGELOG.md": "changes.md"}[path]
    if path.startswith("notebooks/"):
        return path.replace(".ipynb", ".md")
    return path.removeprefix("docs/")


def generated() -> dict[str, str | bytes]:
    """Path in the site -> what stands there, for all pages that no file of docs/ is."""
    ran = Path(os.environ[RAN]) if os.environ.get(RAN) else None
    pages: dict[str, str | bytes] = {
        "mark.svg": mark_in("#ffffff"), "favicon.svg": mark_in(ACCENT),
        "index.md": _outside("README.md"), "changes.md": _outside("CHANGELOG.md"), "site.css": _STYLE,
        "reference/commands.md": commands_page(), "reference/workspace.md": workspace_page(),
        "reference/library.md": library_page(), "notebooks/index.md": notebooks_page(shipped()),
    }  # fmt: skip
    for notebook in shipped():
        page = ran / f"{notebook.name}.html" if ran else None
        pages[f"notebooks/{notebook.name}.md"] = notebook_page(notebook, ran=page is not None)
        if page is not None:
            pages[f"notebooks/ran/{notebook.name}.html"] = page.read_bytes()
    return pages


def mark_in(colour: str) -> str:
    """The project's mark as a file of its own."""
    return mark(SIDE).replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" color="{colour}" ', 1)


def _outside(name: str) -> str:
    """A page of the repository's root, its links as from docs/."""
    text = (ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\[([^\]]+)\]\((LICENSE|NOTICE)\)", r"`\2`", text).replace("](CHANGELOG.md)", "](changes.md)")


def commands_page() -> str:
    """What each command says of itself with --help."""
    return "# Commands\n\nWhat `--help` says; the forms of `--json` are in [CLI.md](../CLI.md).\n\n" + "\n".join(
        f"## {' '.join(words)}\n\n```text\n{text.rstrip()}\n```\n" for words, text in helps()
    )


def helps() -> Iterator[tuple[tuple[str, ...], str]]:
    """Each command, and its help of 100 columns."""
    import typer
    from typer.core import TyperGroup

    from coattail.cli import COMMANDS
    from coattail.cli.app import app

    for name in COMMANDS:
        importlib.import_module(f"coattail.cli.{name}")

    def walked(command: object, words: tuple[str, ...], parent: object) -> Iterator[tuple[tuple[str, ...], str]]:
        context = command.make_context(words[-1], [], parent=parent, resilient_parsing=True)  # type: ignore[attr-defined]
        context.terminal_width = context.max_content_width = 100
        yield words, context.get_help()
        for name, inner in sorted(command.commands.items()) if isinstance(command, TyperGroup) else ():
            yield from walked(inner, (*words, name), context)

    yield from walked(typer.main.get_command(app), ("coattail",), None)


def workspace_page() -> str:
    """The class that notebooks and scripts use."""
    return "# Workspace\n\n::: coattail.workspace.bound.Workspace\n"


def library_page() -> str:
    """The other classes, by what they are for."""
    parts = [f"# {title}\n\n" + "\n\n".join(f"::: {name}" for name in names) for title, names in CLASSES.items()]
    return (
        "# Classes\n\nWhat a part of yours derives from, or is handed.\n\n"
        + "\n\n".join(f"#{part}" for part in parts)
        + "\n"
    )


def notebooks_page(notebooks: list[Notebook]) -> str:
    """Which notebooks there are."""
    rows = "\n".join(f"| [{one.name}]({one.name}.md) | {one.question} |" for one in notebooks)
    return f"# Notebooks\n\nEach answers one question.\n\n| notebook | question |\n|---|---|\n{rows}\n"


def notebook_page(notebook: Notebook, *, ran: bool) -> str:
    """A notebook's text and code; and how it ran, if it did."""
    cells = [("".join(cell["source"]), cell["cell_type"]) for cell in notebook.content["cells"]]
    said = [text if kind == "markdown" else f"```python\n{text}\n```" for text, kind in cells if text.strip()]
    frame = (
        f"\n\n## As it ran\n\n[In a window of its own](ran/{notebook.name}.html)\n\n"
        f'<iframe class="ran" src="../ran/{notebook.name}.html" title="{notebook.name} as it ran" sandbox></iframe>\n'
    ).replace("../ran/", "ran/")
    return "\n\n".join(said) + (frame if ran else "\n")


def run_notebooks(folder: Path, home: Path) -> None:
    """Run every notebook on a home, and leave each as a light page in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    base = [sys.executable, "-m", "coattail", "--home", str(home.resolve())]
    for notebook in shipped():
        copy, page = f"{notebook.name}.ipynb", f"{notebook.name}.html"
        for words in (
            ["notebook", "run", notebook.name, "--out", copy],
            ["report", "notebook", copy, "--light", "--out", page],
        ):
            subprocess.run([*base, *words], check=True, cwd=folder)  # what a notebook writes is there too


def build(out: Path, notebooks: Path | None) -> None:
    """Build the site; a warning is an error."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    if notebooks is not None:
        environment[RAN] = str(notebooks.resolve())
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--site-dir", str(out.resolve())]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--home", type=Path, help="run the notebooks on this home; without it on a new demo's")
    given = parser.parse_args()
    made = given.out.parent / "notebooks"
    where = given.home or given.out.parent / "demo-home"
    if given.home is None:
        demo = ["demo", "--seconds", "3"]
        subprocess.run([sys.executable, "-m", "coattail", "--home", str(where), *demo], check=True, cwd=ROOT)
    run_notebooks(made, where)
    build(given.out, made)
