"""JupyterLab on the notebooks: on 127.0.0.1 alone, without news, updates or telemetry."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from coattail.notebooks.running import NoJupyter
from coattail.notebooks.shelf import shipped

_QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


def prepare(folder: Path, settings: Path) -> Path:
    """Copy the notebooks to where they may be changed, and write Lab's settings; returns the first notebook.

    folder: Where the copies go; those that are there stay. settings: The folder of Lab's settings for this start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "overrides.json").write_text(json.dumps(_QUIET))
    for notebook in shipped():
        copy = folder / notebook.path.name
        if not copy.exists():
            shutil.copyfile(notebook.path, copy)
    return folder / shipped()[0].path.name


def command(folder: Path, settings: Path, first: Path, *, port: int, browser: bool) -> Sequence[str]:
    """The command that serves JupyterLab on 127.0.0.1.

    Raises: NoJupyter: If it is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        step = "make lab, or pip install 'coattail[lab]'"
        raise NoJupyter("JupyterLab is not installed", next_step=step)
    return [
        sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        f"--ServerApp.root_dir={folder.absolute()}", f"--LabApp.app_settings_dir={settings.absolute()}",
        f"--LabApp.default_url=/lab/tree/{first.name}", f"--ServerApp.open_browser={browser}",
        "--MappingKernelManager.transport_encryption=auto", "--LabApp.extension_manager=readonly",
        f"--ServerApp.allow_root={os.geteuid() == 0}",  # in a container; only this machine reaches it
    ]  # fmt: skip


def serve(line: Sequence[str], home: Path, place: str) -> None:
    """Become that command, on the home in this place; does not return."""
    os.environ.update(COATTAIL_HOME=str(home.absolute()), COATTAIL_PLACE=place)
    os.execv(line[0], list(line))
