"""Pass the tests at the bounds of pyproject.toml: with the oldest versions that it allows, or the newest there are.

    python scripts/bounds.py oldest [pytest options]
    python scripts/bounds.py newest [pytest options]

Each has an environment of its own, .venv-oldest or .venv-newest, without the lock; .venv stays as it is. What our
own dependencies depend on is the newest that fits. Neither counts pre-releases.
"""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"


def main(which: str = "", *options: str) -> int:
    """The exit status of pytest."""
    if which not in ("oldest", "newest"):
        print(__doc__)
        return 2
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    needs = project["project"]["dependencies"]
    folder = ROOT / f".venv-{which}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    tools = [*project["project"]["optional-dependencies"]["test"], *project["build-system"]["requires"]]
    direct = [oldest(need) for need in needs] if which == "oldest" else needs
    print(f"Installing the {which} into {folder.name} ...", flush=True)
    subprocess.run([*pip, "--upgrade", "--upgrade-strategy", "eager", *direct, *tools], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    names = [re.split("[<>=!~]", need)[0] for need in needs]
    told = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    subprocess.run([str(python), "-c", told, *names], check=True)
    return subprocess.run([str(python), "-m", "pytest", *options], cwd=ROOT, check=False).returncode


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
