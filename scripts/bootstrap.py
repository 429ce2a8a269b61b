"""Set up vmteach's own virtual environment in .venv, then run something in it.

    python scripts/bootstrap.py lab [options of `vmteach lab`]
    python scripts/bootstrap.py handouts [options of `vmteach handouts`]
    python scripts/bootstrap.py editions [options of `vmteach editions`]
    python scripts/bootstrap.py bench [--long]
    python scripts/bootstrap.py test [pytest options]

The Makefile calls this file; where there is no make, call it yourself. It needs nothing but Python and writes to this
folder alone (and to the caches of uv and pip). The packages are those of requirements/, checked by their hashes: uv
installs them, pip does where uv cannot be had. Your settings of an index, a proxy or a certificate go on working;
settings that send packages elsewhere, and PYTHONPATH, do not reach this environment.
"""

from __future__ import annotations  # an old Python shall get as far as our own message

import ast
import functools
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
PYPROJECT = ROOT / "pyproject.toml"
OLDEST, NEWEST = (3, 11), (3, 14)
# Later ones have no wheel for Macs with an Intel processor.
HELD_BACK = ["argon2-cffi-bindings<26; sys_platform == 'darwin' and platform_machine == 'x86_64'"]

PYTEST = "-m pytest -n 2 --dist loadscope --no-loadscope-reorder"
# A command: the locks that it needs, and what Python is then told.
COMMANDS = {
    "lab": (("lock",), "-m vmteach lab ."),
    "handouts": (("lock",), "-m vmteach handouts"),
    "site": (("lock", "site"), "-m vmteach site"),
    "editions": (("lock",), "-m vmteach editions"),
    "bench": (("lock", "test"), "-m benchmarks.ratios"),
    "test": (("lock", "test"), PYTEST),
}
IMPORT_LINTER = "__import__('importlinter.cli').cli.lint_imports_command()"
WORKFLOWS = "-m check_jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows"
LINTERS = (
    *("-m ruff check", "-m ruff format --check", "-m mypy", f"-c {IMPORT_LINTER}", "-m codespell_lib"),
    *(f"{WORKFLOWS}/{name}.yml" for name in ("test", "site")),
)
# What must come from the environment itself once a lock is installed.
IMPORTS = {
    "lock": "vmteach anywidget ipywidgets jupyterlab matplotlib nbconvert numpy pandas",
    "test": "hypothesis mypy pytest xdist",
    "site": "jupyterlite_core jupyterlite_pyodide_kernel",
}

# The reader's settings that reach pip, and their names for uv. Others (user, target, prefix) send packages elsewhere.
NETWORK = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
    "keyring-provider": "UV_KEYRING_PROVIDER",
}
UV_KEPT = re.compile("UV_(DEFAULT_INDEX|INDEX|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|INSECURE|KEYRING|NATIVE|SYSTEM_CERTS"
                     "|HTTP|OFFLINE|CACHE|NO_CACHE|LINK_MODE)")  # fmt: skip
PYTHON_KEPT = "DONTWRITEBYTECODE HASHSEED IOENCODING PYCACHEPREFIX UTF8 WARNINGS".split()


def main(command: str = "help", *options: str) -> int:
    """The exit status of a command. The environment need not be there: each command sees to it first."""
    others = {"lint": lint, "lock": lock, "oldest": oldest, "newest": newest, "setup": lambda: setup("lock", "test")}
    try:
        if command in COMMANDS:
            return run(command, *options)
        if command in others:
            return others[command](*options) or 0
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    except KeyboardInterrupt:
        return 130
    print(__doc__)
    print("commands:", ", ".join((*COMMANDS, *others)))
    return 0 if command == "help" else 2


def run(command: str, *options: str) -> int:
    """Set up, and hand over. A machine of a CI service may get Chromium for the browser tests first."""
    global VENV
    locks, words = COMMANDS[command]
    if command == "site":  # JupyterLab would load the kernel for browsers, too, and complain
        VENV = ROOT / ".venv-site"
    setup(*locks)
    if command == "test" and os.environ.get("CI") == "true":
        install_chromium()
    return in_venv(*words.split(), *options)


def lint() -> int:
    """Check style, format, types, the direction of imports and spelling; all of them, whatever the first says."""
    setup("lock", "test")
    return max(in_venv(*linter.split()) for linter in LINTERS)


def in_venv(*arguments: str, python: Path | None = None) -> int:
    """The exit status of the environment's Python with these arguments, started in the project's folder."""
    python = python or python_of(VENV)
    environment = {**shielded(), "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with subprocess.Popen([str(python), *arguments], cwd=ROOT, env=environment) as running:
        # Ctrl-C goes to both of us, and is the other's to answer: JupyterLab asks whether it is meant.
        ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = running.wait()
        signal.signal(signal.SIGINT, ours)
    return status


def shielded() -> dict[str, str]:
    """The reader's environment, without what would make Python look for modules elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {name: os.environ[name] for name in map("PYTHON{}".format, PYTHON_KEPT) if name in os.environ}


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


# ---- the environment


def setup(*locks: str) -> None:
    """Make .venv what these files of requirements/ say, if it is not so already."""
    stamp, base = VENV / "vmteach.stamp", {"base": base_key()}
    have = dict(line.split() for line in stamp.read_text("utf-8").splitlines()) if stamp.exists() else {}
    want = {name: key_of(name) for name in locks}
    same, complete = base.items() <= have.items(), want.items() <= have.items()
    if same and complete and sound(*locks):
        return
    if not same or complete:  # as it should be, and yet something is missing
        make_venv()
        have = {}
    stamp.unlink(missing_ok=True)
    want |= {name: key for name, key in have.items() if name not in base | want and key == key_of(name)}
    install(*want)
    stamp.write_text("".join(f"{name} {key}\n" for name, key in (base | want).items()), encoding="utf-8")


def base_key() -> str:
    """What a virtual environment cannot survive a change of: the interpreter and the folder it is in."""
    return digest(platform.python_version(), sys.base_prefix, str(VENV))


def key_of(lock: str) -> str:
    """What asks for another installation into the same environment."""
    files = (REQUIREMENTS / f"{lock}.txt", REQUIREMENTS / "setup.txt", PYPROJECT)
    return digest(*(file.read_text(encoding="utf-8") for file in files))


def digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def sound(*locks: str, load: bool = False) -> bool:
    """Whether the environment has what it should, and from its own folder; with `load` each module is imported."""
    names = " ".join(IMPORTS[lock] for lock in locks).split()
    find = "__import__(name) and sys.modules[name].__spec__" if load else "u.find_spec(name)"
    program = (
        "import importlib.util as u, os, sys\n"
        f"for name in sys.argv[1:]:\n"
        f"    spec, home = {find}, {str(ROOT)!r} if name == 'vmteach' else sys.prefix\n"
        "    sys.exit(name) if os.path.commonpath([os.path.realpath(spec.origin), os.path.realpath(home)]) "
        "!= os.path.realpath(home) else None\n"
    )
    command, quiet = [python_of(VENV), "-I", "-c", program], subprocess.DEVNULL
    parts = (names[::2], names[1::2]) if load else (names,)  # modules are compiled by two processes at once
    how = {"cwd": VENV, "env": shielded(), "stdout": quiet, "stderr": quiet}
    try:
        running = [subprocess.Popen([*command, *part], **how) for part in parts]
    except OSError:
        return False
    return max(each.wait() for each in running) == 0


def make_venv() -> None:
    """Make an empty .venv, or say in one line why that cannot be."""
    refusal = why_not(sys.version_info[:2], has_ensurepip=bool(importlib.util.find_spec("ensurepip")))
    if refusal:
        sys.exit(refusal)
    print(f"Making {VENV.name} with Python {platform.python_version()} ...", flush=True)
    # From inside an environment, its base: the environment may be the one about to be replaced.
    python = getattr(sys, "_base_executable", sys.executable)
    command = [python, "-I", "-m", "venv", "--clear", "--without-pip", str(VENV)]
    subprocess.run(command, check=True, env=shielded())


def why_not(version: tuple[int, int], *, has_ensurepip: bool) -> str:
    """The line that names what is missing, or nothing.

    >>> why_not((3, 9), has_ensurepip=True)
    'vmteach needs Python 3.11 to 3.14, this is 3.9. Name another one: make lab PYTHON=python3.12'
    """
    found = ".".join(map(str, version))
    if not OLDEST <= version <= NEWEST:
        supported = " to ".join(".".join(map(str, each)) for each in (OLDEST, NEWEST))
        return f"vmteach needs Python {supported}, this is {found}. Name another one: make lab PYTHON=python3.12"
    if not has_ensurepip:
        packages = f"python3-venv (or python{found}-venv)"
        return f"This Python cannot make virtual environments. On Debian and Ubuntu: sudo apt install {packages}"
    return ""


# ---- the packages


def install(*locks: str) -> None:
    """Install the pinned packages and the project itself in place: by uv, else by pip."""
    files = [REQUIREMENTS / f"{lock}.txt" for lock in locks]
    pins = sum(len(re.findall("^[a-zA-Z]", file.read_text(encoding="utf-8"), re.M)) for file in files)
    print(f"Installing up to {pins} packages into {VENV.name}, once ...", flush=True)
    locked = ["--require-hashes", *(f"--requirement={file}" for file in files)]
    ourselves = ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    said = ""
    for way in (by_uv, by_pip):
        trouble = attempt(way, locked, ourselves)
        if not trouble and sound(*locks, load=True):
            return
        said += trouble or "Packages went elsewhere, or cannot be imported.\n"
    sys.exit(f"{said}The packages could not be installed; the reasons are above. Is there a network?")


def attempt(way: Callable[..., None], *steps: list[str]) -> str:
    """What came in the way of installing in this way; empty if nothing did."""
    try:
        for arguments in steps:
            way(*arguments)
    except (OSError, subprocess.CalledProcessError) as failed:
        return f"{getattr(failed, 'stdout', None) or failed}\n"
    return ""


def by_uv(*arguments: str) -> None:
    """`uv pip install` into .venv. uv is a package too: pip brings it, pinned like the others."""
    settings, uv = pip_settings(), python_of(VENV).with_name("uv.exe" if os.name == "nt" else "uv")
    if arguments[0] == "--require-hashes":  # the first step
        by_pip("--no-compile", "--require-hashes", "-r", str(REQUIREMENTS / "setup.txt"))
    command = [str(uv), "pip", "install", "--python", str(python_of(VENV)), "--index-strategy", "unsafe-best-match"]
    quiet([*command, *(["--no-config"] if uv_redirects() else [])], *arguments, env=for_uv(settings))


def by_pip(*arguments: str) -> None:
    """`pip install` into .venv."""
    quiet(pip(), "install", *arguments, env=for_pip(pip_settings()))


def quiet(command: list[str], *arguments: str, env: dict[str, str]) -> None:
    """Run a command whose words count only if it fails; they are then the error's `stdout`."""
    subprocess.run(
        [*command, *arguments], cwd=ROOT, env=env, text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
    )  # fmt: skip


def pip() -> list[str]:
    """The command that is pip in .venv: its own, else the wheel that comes with Python, else what ensurepip makes."""
    python = str(python_of(VENV))
    if any(VENV.glob("**/site-packages/pip/__main__.py")):
        return [python, "-I", "-m", "pip"]
    folders = (sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(importlib.util.find_spec("ensurepip").origin).parent)
    for folder in filter(None, folders):
        for wheel in sorted(Path(folder).glob("**/pip-*.whl")):
            return [python, "-I", f"{wheel}/pip"]
    quiet([python, "-I", "-m"], "ensurepip", env=shielded())
    return [python, "-I", "-m", "pip"]


@functools.cache
def pip_settings() -> dict[str, str]:
    """What the reader's files and variables tell pip about the network, by the names of pip's options."""
    command, how = [*pip(), "config", "list"], {"capture_output": True, "text": True, "errors": "replace"}
    listed = subprocess.run(command, cwd=ROOT, env=shielded(), **how).stdout
    found = re.findall(r"^(global|install|:env:)\.([\w-]+)=(.+)$", listed, re.M)
    order = ("global", "install", ":env:")
    told = sorted(found, key=lambda setting: order.index(setting[0]))
    return {name: str(ast.literal_eval(value)) for _, name, value in told if name in NETWORK}


def for_pip(settings: dict[str, str]) -> dict[str, str]:
    """An environment in which pip knows these settings and no others."""
    kept = {name: value for name, value in shielded().items() if not name.startswith("PIP_")}
    ours = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}
    return {**kept, **ours, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def for_uv(settings: dict[str, str]) -> dict[str, str]:
    """An environment in which uv knows the reader's index and proxy, its own settings before those of pip."""
    pips = {NETWORK[name]: " ".join(value.split()) for name, value in settings.items()}
    kept = {name: value for name, value in shielded().items() if not name.startswith("UV_") or UV_KEPT.match(name)}
    return {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", **pips, **kept}


def uv_redirects() -> bool:
    """Whether a settings file of uv sends packages elsewhere."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path(os.path.expanduser("~"), ".config"))
    files = (Path(os.environ.get("APPDATA") or home, "uv", "uv.toml"), home / "uv/uv.toml", Path("/etc/uv/uv.toml"))
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file()]
    return any(re.search(r"^\s*(target|prefix|system|python)\s*=", text, re.M) for text in texts)


def install_chromium() -> None:
    """Install the distribution's Chromium where that is possible; without it the browser tests skip."""
    there = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    if there or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    print("Installing Chromium for the browser tests ...", flush=True)
    subprocess.call(["apt-get", "update", "-qq"])
    subprocess.call(["apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"])


# ---- other versions


def lock() -> int:
    """Renew requirements/: the newest versions for every Python and system that we support.

    lock.txt is the course with the build backend; test.txt what tests and lint need besides, site.txt what the site
    needs; setup.txt is uv and pip.
    """
    import tomllib

    build = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["build-system"]["requires"]
    course = ["pyproject.toml", "--extra", "lab", "--extra", "handouts"]
    held, course_file = [*build, *HELD_BACK], REQUIREMENTS / "lock.txt"
    course_file.write_text(compiled(held, *course), encoding="utf-8", newline="\n")
    have = blocks(course_file.read_text(encoding="utf-8"))
    for extra in ("test", "site"):
        every = compiled(held, *course, "--extra", extra, "-c", str(course_file))
        more = "".join(block for block in blocks(every) if block not in have)
        (REQUIREMENTS / f"{extra}.txt").write_text(more, encoding="utf-8", newline="\n")
    (REQUIREMENTS / "setup.txt").write_text(compiled(["pip", "uv"]), encoding="utf-8", newline="\n")
    return 0


def compiled(needs: list[str], *arguments: str) -> str:
    """The pins of these needs with their hashes, worked out by uv."""
    if not (uv := shutil.which("uv", path=f"{python_of(VENV).parent}{os.pathsep}{os.environ.get('PATH', '')}")):
        sys.exit("Renewing the lock needs uv: run `make lab` once, which brings it.")
    flags = "--universal --upgrade --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet"
    python = ".".join(map(str, OLDEST))
    command = [uv, "pip", "compile", *flags.split(), "--python-version", python, *arguments, "-"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(needs), text=True, check=True, stdout=subprocess.PIPE)
    return done.stdout


def blocks(text: str) -> list[str]:
    """The pins of a lock, each with its hashes.

    >>> blocks("a==1 --hash=x\\n    --hash=y\\nb==2\\n")
    ['a==1 --hash=x\\n    --hash=y\\n', 'b==2\\n']
    """
    return re.findall(r"^\S.*\n(?:\s.*\n)*", text, re.M)


def oldest(*options: str) -> int:
    """Pass the tests with the oldest packages that pyproject.toml allows, in an environment of their own."""
    return at_bound("oldest", "lowest-direct", "test", *options)


def newest(*options: str) -> int:
    """The same with the newest, and with the programs of others that two tests ask."""
    return at_bound("newest", "highest", "test,judges", *options)


def at_bound(name: str, resolution: str, extras: str, *options: str) -> int:
    setup("lock")  # for its uv
    folder, uv = ROOT / f".venv-{name}", str(python_of(VENV).with_name("uv"))
    print(f"Installing the {name} packages into {folder.name} ...", flush=True)
    environment = for_uv(pip_settings())
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True, env=environment)
    into = [uv, "pip", "install", "--quiet", "--python", str(python_of(folder)), "--resolution", resolution]
    subprocess.run([*into, "-e", f".[{extras}]"], cwd=ROOT, check=True, env=environment)
    return in_venv(*PYTEST.split(), *options, python=python_of(folder))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
