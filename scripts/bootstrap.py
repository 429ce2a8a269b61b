"""Set up vmteach's own virtual environment in .venv, then run something in it.

    python scripts/bootstrap.py lab [JupyterLab options]
    python scripts/bootstrap.py handouts [names of chapters]
    python scripts/bootstrap.py editions [options of scripts/editions.py]
    python scripts/bootstrap.py bench [--long]
    python scripts/bootstrap.py test [pytest options]

The Makefile calls this file; where there is no make, call it yourself. It needs nothing but Python,
and writes nowhere but in this folder. The packages are those of requirements/lock.txt, checked by their hashes.
"""

from __future__ import annotations  # an old Python shall get as far as our own message

import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements" / "lock.txt"
PYPROJECT = ROOT / "pyproject.toml"
STAMP = VENV / "vmteach.stamp"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
START = "notebooks/00_start_here.ipynb"
LAB_OPTIONS = (
    "--ServerApp.root_dir=.",
    f"--LabApp.default_url=/lab/tree/{START}",
    "--ServerApp.kernel_websocket_connection_class=vmteach.lab.server.PromptConnection",
)
OLDEST, NEWEST = (3, 11), (3, 14)
# Later ones have no wheel for Macs with an Intel processor.
HELD_BACK = ["argon2-cffi-bindings<26; sys_platform == 'darwin' and platform_machine == 'x86_64'"]

# JupyterLab asks its first question to every new user, and it asks the network: answer it here.
NO_NEWS = '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}'


def main(command: str = "help", *options: str) -> int:
    """The exit status of a command. The environment need not be there: each command sees to it first."""
    commands = {
        "lab": lab,
        "handouts": handouts,
        "editions": editions,
        "bench": bench,
        "test": test,
        "lint": lint,
        "lock": lock,
        "setup": setup,
    }
    if command not in commands:
        print(__doc__)
        print("commands:", ", ".join(commands))
        return 0 if command == "help" else 2
    try:
        return commands[command](*options) or 0
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    except KeyboardInterrupt:
        return 130


def lab(*options: str) -> int:
    """Open JupyterLab on the first notebook. It prints the address too, token and all."""
    setup()
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return in_venv("jupyterlab", *LAB_OPTIONS, *as_root, *options)


def handouts(*options: str) -> int:
    """Run the chapters and write each as one HTML file; what has not changed is not built again."""
    setup()
    return in_venv("vmteach.handout", *options)


def editions(*options: str) -> int:
    """Write the notebooks for students, teachers and nbgrader to editions/."""
    setup()
    return in_venv("scripts.editions", *options)


def bench(*options: str) -> int:
    """Print the speed ratios with their gates and goals."""
    setup()
    return in_venv("benchmarks.ratios", *options)


def test(*options: str) -> int:
    """Run the tests. A machine of a CI service may get Chromium for the browser tests first."""
    setup()
    if os.environ.get("CI") == "true":
        install_chromium()
    return in_venv("pytest", *options)


def lint() -> int:
    """Check style, format and types; all three, whatever the first says."""
    setup()
    return max(in_venv("ruff", "check"), in_venv("ruff", "format", "--check"), in_venv("mypy"))


def lock() -> int:
    """Renew requirements/lock.txt: the newest versions for every Python and system that we support.

    The build backend goes in as well, so that installing the project itself needs nothing unpinned.
    """
    import tomllib

    if not shutil.which("uv"):
        sys.exit("Renewing the lock needs uv; nothing else does. Install it, then `make lock` again.")
    flags = "--universal --upgrade --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet"
    python = ".".join(map(str, OLDEST))
    build = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["build-system"]["requires"]
    arguments = ["--python-version", python, "--extra", "test", "-o", str(LOCK), "pyproject.toml", "-"]
    subprocess.run(
        ["uv", "pip", "compile", *flags.split(), *arguments],
        cwd=ROOT,
        input="\n".join(build + HELD_BACK),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return 0


def in_venv(module: str, *arguments: str, python: Path = VENV_PYTHON) -> int:
    """The exit status of `python -m module` in the environment, started in the project's folder."""
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    environment.pop("PYTHONHOME", None)
    with subprocess.Popen([str(python), "-m", module, *arguments], cwd=ROOT, env=environment) as running:
        # Ctrl-C goes to both of us, and is the other's to answer: JupyterLab asks whether it is meant.
        ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = running.wait()
        signal.signal(signal.SIGINT, ours)
    return status


def setup() -> None:
    """Make .venv what requirements/lock.txt says, if it is not so already."""
    base, packages = base_key(), packages_key()
    have = STAMP.read_text(encoding="utf-8").split() if STAMP.exists() else []
    if have == [base, packages]:
        return
    if have[:1] != [base]:
        make_venv()
    STAMP.unlink(missing_ok=True)
    install()
    STAMP.write_text(f"{base}\n{packages}\n", encoding="utf-8")


def base_key() -> str:
    """What a virtual environment cannot survive a change of: the interpreter and the folder it is in."""
    return digest(platform.python_version(), sys.base_prefix, str(VENV))


def packages_key() -> str:
    """What asks for another installation into the same environment."""
    return digest(LOCK.read_text(encoding="utf-8"), PYPROJECT.read_text(encoding="utf-8"))


def digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def make_venv() -> None:
    """Make an empty .venv, or say in one line why that cannot be."""
    refusal = why_not(sys.version_info[:2], has_ensurepip=bool(importlib.util.find_spec("ensurepip")))
    if refusal:
        sys.exit(refusal)
    print(f"Making .venv with Python {platform.python_version()} ...", flush=True)
    # From inside an environment, its base: the environment may be the one about to be replaced.
    python = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)


def why_not(version: tuple[int, int], *, has_ensurepip: bool) -> str:
    """The line that names what is missing, or nothing.

    >>> why_not((3, 9), has_ensurepip=True)
    'vmteach needs Python 3.11 to 3.14, this is 3.9. Name another one: make lab PYTHON=python3.12'
    """
    found = ".".join(map(str, version))
    if not OLDEST <= version <= NEWEST:
        return (
            f"vmteach needs Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, this is {found}. "
            "Name another one: make lab PYTHON=python3.12"
        )
    if not has_ensurepip:
        return (
            "This Python cannot make virtual environments. On Debian and Ubuntu: "
            f"sudo apt install python3-venv (or python{found}-venv)"
        )
    return ""


def install() -> None:
    """Install the pinned packages, then the project itself in place."""
    pins = sum(line[:1].isalpha() for line in LOCK.read_text(encoding="utf-8").splitlines())
    print(f"Installing up to {pins} packages into .venv, once; this takes a minute or two ...", flush=True)
    pip("--require-hashes", "-r", str(LOCK))
    pip("--no-deps", "--no-build-isolation", "-e", str(ROOT))
    overrides = VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    overrides.parent.mkdir(parents=True, exist_ok=True)
    overrides.write_text(NO_NEWS + "\n", encoding="utf-8")


def pip(*arguments: str) -> None:
    """Run `pip install`: on a terminal count the packages, and show pip's own words only if it failed."""
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    said: list[str] = []
    packages = 0
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        for line in running.stdout or ():
            said.append(line)
            packages += line.startswith("Collecting")
            if sys.stdout.isatty():
                print(f"\r{packages} ", end="", flush=True)
    if sys.stdout.isatty():
        print("\r", end="")
    if running.returncode:
        print("".join(said))
        sys.exit("The packages could not be installed; pip's own words are above. Is there a network?")


def install_chromium() -> None:
    """Install the distribution's Chromium where that is possible; without it the browser tests skip."""
    there = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    if there or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    print("Installing Chromium for the browser tests ...", flush=True)
    subprocess.call(["apt-get", "update", "-qq"])
    subprocess.call(["apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
