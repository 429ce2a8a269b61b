"""Pass the tests at the bounds of pyproject.toml: with the oldest versions that it allows, or the newest there are.

    python scripts/bounds.py oldest [pytest options]
    python scripts/bounds.py newest [pytest options]

Each has an environment of its own, .venv-oldest or .venv-newest, without the lock; .venv stays as it is. It is made
anew each time: what an earlier version brought along is not there. What our own dependencies, the tests' and the
build's depend on is the newest that fits. Neither counts pre-releases. With the newest come the
judges too: programs of others, repo2docker and Dask, that two tests ask and `make test` does without.
"""

from __future__ import annotations  # as in bootstrap.py, which says what is wrong with an old Python

import importlib.util
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import bootstrap

ROOT = Path(__file__).resolve().parent.parent


def main(which: str = "", *options: str) -> int:
    """The exit status of pytest, or of what failed before it."""
    if which not in ("oldest", "newest"):
        print(__doc__)
        return 2
    refusal = bootstrap.why_not(sys.version_info[:2], has_ensurepip=bool(importlib.util.find_spec("ensurepip")))
    if refusal:
        sys.exit(refusal)
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needs = direct(pyproject) + (judges(pyproject) if which == "newest" else [])
    folder = ROOT / f".venv-{which}"
    python = folder / bootstrap.VENV_PYTHON.relative_to(bootstrap.VENV)
    print(f"Installing the {which} into {folder.name} ...", flush=True)
    venv.create(folder, clear=True, with_pip=True, symlinks=os.name != "nt")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = [oldest(need) for need in needs] if which == "oldest" else needs
    try:
        subprocess.run([*pip, "--upgrade", "--upgrade-strategy", "eager", *wanted], check=True)
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    told = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    subprocess.run([str(python), "-c", told, *(re.split("[<>=!~]", need)[0] for need in needs)], check=True)
    if os.environ.get("CI") == "true":
        bootstrap.install_chromium()
    return bootstrap.in_venv("pytest", *options, python=python)


def direct(pyproject: str) -> list[str]:
    """What pyproject.toml asks for itself: to run, to test and to build."""
    import tomllib

    page = tomllib.loads(pyproject)
    project = page["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["test"], *page["build-system"]["requires"]]


def judges(pyproject: str) -> list[str]:
    """The programs of others that some tests ask, and that the lock leaves out."""
    import tomllib

    return tomllib.loads(pyproject)["project"]["optional-dependencies"]["judges"]


def oldest(need: str) -> str:
    """The oldest version that a requirement allows, as a requirement.

    >>> oldest("pandas>=2.3")
    'pandas==2.3'
    """
    name, found, bound = need.partition(">=")
    if not found or not re.fullmatch(r"[\d.]+", bound):
        raise ValueError(
            f"pyproject.toml must give {name} a lower bound and nothing else, such as {name}>=1.2, got {need}"
        )
    return f"{name}=={bound}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
