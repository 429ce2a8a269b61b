"""`vmteach lab`: JupyterLab on the chapters, with the course's settings.

Your own notebooks are never written over: a chapter is put into the folder only if it is not there. Your Jupyter
configuration files are not read, since what they say of folders and plug-ins need not fit here; your theme, shortcuts
and other settings of JupyterLab are.
"""

import os
import shutil
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from vmteach.handout.source import linked, place
from vmteach.tables import COURSE

START = "notebooks/00_start_here.ipynb"
SETTINGS = Path(__file__).parent.parent / "lab" / "settings"
CONNECTION = "vmteach.lab.server.PromptConnection"


def main(arguments: Sequence[str]) -> int:
    """The exit status of JupyterLab."""
    parser = ArgumentParser("vmteach lab", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="of the course: here if it is here, else vmteach-course")
    parser.epilog = "Further options are JupyterLab's own, such as --no-browser --port=8899."
    chose, options = parser.parse_known_args(arguments)
    folder = chose.folder or Path("." if Path(START).is_file() else "vmteach-course")
    new, changed = lay_out(folder)
    if new or changed:
        yours = f"; {changed} that differ from ours are yours and stay" if changed else ""
        sys.stdout.write(f"{folder}: {new} files put there{yours}\n")
        sys.stdout.flush()
    return jupyterlab(folder.resolve(), options)


def lay_out(folder: Path) -> tuple[int, int]:
    """Put notebooks, their pictures and what they link to into `folder`; how many are new, how many there differ."""
    ours = list(filter(_is_ours, sorted((COURSE / "notebooks").rglob("*.*"))))
    files = {folder / file.relative_to(COURSE): file for file in ours}
    files |= {folder / path: place(path) for path in linked(file for file in ours if file.suffix == ".ipynb")}
    new = [theirs for theirs in files if not theirs.exists()]
    for theirs in new:
        theirs.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[theirs], theirs)
    return len(new), sum(theirs.read_bytes() != file.read_bytes() for theirs, file in files.items())


def _is_ours(file: Path) -> bool:
    return file.is_file() and ".ipynb_checkpoints" not in file.parts


def jupyterlab(folder: Path, options: Sequence[str]) -> int:
    """Run JupyterLab until it ends. It opens a browser, and prints the address too, token and all."""
    from jupyter_core.paths import jupyter_config_dir
    from jupyterlab.labapp import LabApp

    own = Path(jupyter_config_dir()) / "lab"
    os.environ.setdefault("JUPYTERLAB_SETTINGS_DIR", str(own / "user-settings"))
    os.environ.setdefault("JUPYTERLAB_WORKSPACES_DIR", str(own / "workspaces"))
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with TemporaryDirectory() as nothing:
        os.environ["JUPYTER_CONFIG_DIR"] = nothing
        os.environ.pop("JUPYTER_CONFIG_PATH", None)  # more folders of settings that may end it
        LabApp.launch_instance([*as_root, *lab_options(folder), *options])
    return 0


def lab_options(folder: Path) -> list[str]:
    """What JupyterLab is told of the course in `folder`."""
    return [
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.preferred_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{START}",
        f"--LabApp.app_settings_dir={SETTINGS}",
        f"--ServerApp.kernel_websocket_connection_class={CONNECTION}",
    ]
