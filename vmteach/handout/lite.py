"""The live course as a folder of files: JupyterLite with its own runtime, so that no request leaves the site.

source      JupyterLite 0.8 and Pyodide 314.0.6, taken from the package indexes when the site is built; nothing of them
            is in the repository. Every file is checked against a hash before it goes in
left out    numpy, pandas and matplotlib, which have no wheel for the browser: chapters go on without them
"""

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from email.parser import Parser
from pathlib import Path

from vmteach import __version__
from vmteach.handout import BuildError
from vmteach.run import Record
from vmteach.tables import COURSE

HERE = Path(__file__).parent
PACKAGE = HERE.parent
DATA, NOTEBOOKS = COURSE / "data", COURSE / "notebooks"
PYODIDE = "314.0.6"  # exactly what jupyterlite-pyodide-kernel 0.8.6 names
# of the npm package, as it says itself
PYODIDE_SHA = "sha512-BKDTJyIqFxC4BExLqeRS3f5xvXZIjOt8C3zGLN/Cc7tFxSwvKVhVkchQQ2AGLOtR4YrVOIFxbV8poyDOOmWwxQ=="
PYTHON = "3.14"
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
AT_START = ("micropip", "piplite", "ipykernel", "comm", "pyodide-kernel", "jedi", "ipython", "vmteach")
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
MARKERS = {"sys_platform": "emscripten", "python_version": PYTHON, "os_name": "posix", "extra": ""}


def build(target: Path) -> Path:
    """Write the live course to a folder that any static server can show. BuildError says what is missing."""
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        pyodide = work / "lite" / "static" / "pyodide"
        pyodide.mkdir(parents=True)
        runtime(pyodide)
        wheels(pyodide)
        own_wheel(pyodide)
        (pyodide / "pyodide-lock.json").write_text(json.dumps(lock(pyodide), indent=1), encoding="utf-8")
        (work / "lite" / "jupyter-lite.json").write_text(json.dumps(settings()), encoding="utf-8")
        contents(work / "content")
        shutil.rmtree(target, ignore_errors=True)
        _jupyter_lite(work, target)
    for app in ("lab", "notebooks"):  # where a page first asks for a picture, before it asks the drive
        shutil.copytree(NOTEBOOKS / "pictures", target / app / "pictures")
    check(target)
    return target


def runtime(folder: Path) -> None:
    """Pyodide's own four files, from its npm package."""
    if not shutil.which("npm"):
        raise BuildError("A kernel in the browser needs Pyodide's npm package: install npm (Node.js), then build again")
    with tempfile.TemporaryDirectory() as scratch:
        packed = _run(["npm", "pack", f"pyodide@{PYODIDE}", "--json"], Path(scratch))
        entry = json.loads(packed)[0]
        if entry["integrity"] != PYODIDE_SHA:
            raise BuildError(f"pyodide {PYODIDE} is not what it was: {entry['integrity']} instead of {PYODIDE_SHA}")
        with tarfile.open(Path(scratch) / entry["filename"]) as package:
            for name in (*RUNTIME, "pyodide-lock.json"):
                file = package.extractfile(f"package/{name}")
                assert file is not None
                (folder / name).write_bytes(file.read())


def wheels(folder: Path) -> None:
    """The pure wheels of runtime.txt, each with its hash, and those that the kernel's extension brings."""
    platform = f"--python-version {PYTHON} --platform any --implementation py --abi none".split()
    fetch = ["download", "--no-deps", "--only-binary=:all:", "--require-hashes", *platform]
    _run([sys.executable, "-m", "pip", *fetch, "-d", str(folder), "-r", str(HERE / "runtime.txt")], folder)
    brought = Path(sys.prefix, "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension/static/pypi")
    for name in ("piplite", "pyodide_kernel", "ipykernel", "widgetsnbextension-4"):
        (wheel,) = brought.glob(f"{name}*.whl")
        shutil.copy(wheel, folder)


def contents(folder: Path) -> None:
    """The notebooks and tables, as a browser has them."""
    for source in (NOTEBOOKS, DATA):
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns(".*"))


def own_wheel(folder: Path) -> Path:
    """This package as a wheel, tables and all, made from where it lies: a name of its own for each text of it."""
    files = {f"vmteach/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in _own_files(PACKAGE)}
    files |= {f"vmteach/data/{path.relative_to(DATA).as_posix()}": path.read_bytes() for path in _own_files(DATA)}
    digest = hashlib.sha256(b"".join(name.encode() + data for name, data in sorted(files.items()))).hexdigest()[:12]
    version = f"{__version__}+{digest}"
    info = f"vmteach-{version}.dist-info"
    needs = "Requires-Dist: anywidget\nRequires-Dist: platformdirs\n"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: vmteach\nVersion: {version}\n{needs}".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: vmteach\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = _record(files, info)
    wheel = folder / f"vmteach-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in sorted(files.items()):
            package.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return wheel


def runtime_script(target: Path) -> Path:
    """runtime.js beside some handouts: Python and this package as one script, which a page loads from any disk."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        runtime(folder)
        info = json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))["info"]
        wheel = own_wheel(folder)
        parts = {
            "asm": "pyodide.asm.mjs",
            "pyodide": "pyodide.mjs",
            "wasm": "pyodide.asm.wasm",
            "stdlib": "python_stdlib.zip",
            "wheel": wheel.name,
        }
        told = {key: base64.b64encode((folder / name).read_bytes()).decode() for key, name in parts.items()}
        told["lock"] = json.dumps({"info": info, "packages": {}})
        target.mkdir(parents=True, exist_ok=True)
        script = target / "runtime.js"
        script.write_text(f"globalThis.vmteachRuntime = {json.dumps(told)};\n", encoding="ascii")
    return script


def _own_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            yield path


def _record(files: Mapping[str, bytes], info: str) -> bytes:
    """The list of a wheel's files with their hashes."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name, data in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={digest}", len(data)])
    rows.writerow([f"{info}/RECORD", "", ""])
    return text.getvalue().encode()


def lock(folder: Path) -> Record:
    """What the runtime may load: our own wheels and nothing else, each with its hash and what it depends on."""
    theirs = json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))
    packages = {entry["name"]: entry for entry in (_entry(wheel) for wheel in sorted(folder.glob("*.whl")))}
    for entry in packages.values():
        entry["depends"] = [name for name in entry["depends"] if name in packages]
    return {"info": theirs["info"], "packages": packages}


def _entry(wheel: Path) -> Record:
    """One wheel's line in the lock."""
    from packaging.utils import canonicalize_name

    facts, names = _facts(wheel)
    tops = {name.split("/")[0].removesuffix(".py") for name in names if name.endswith(".py") and ".data/" not in name}
    return {
        "name": canonicalize_name(facts["Name"]),
        "version": facts["Version"],
        "file_name": wheel.name,
        "install_dir": "site",
        "package_type": "package",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "imports": sorted(tops),
        "depends": [canonicalize_name(name) for name in _required(facts.get_all("Requires-Dist") or ())],
        "unvendored_tests": False,
    }


def _facts(wheel: Path) -> tuple[Message, list[str]]:
    """What a wheel's metadata say, and the names of its files."""
    with zipfile.ZipFile(wheel) as package:
        names = package.namelist()
        (metadata,) = (name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return Parser().parsestr(package.read(metadata).decode()), names


def licences(site: Path) -> Iterator[tuple[str, str, str]]:
    """Each wheel of a built live course: name, version, licence as its own metadata says it."""
    for wheel in sorted((site / "static" / "pyodide").glob("*.whl")):
        facts, _ = _facts(wheel)
        trove = [line.split(" :: ")[-1] for line in facts.get_all("Classifier") or () if line.startswith("License ::")]
        licence = facts["License-Expression"] or ", ".join(trove) or (facts["License"] or "").split("\n")[0]
        yield facts["Name"], facts["Version"], licence or "see its licence file"


def _required(lines: Iterable[str]) -> Iterator[str]:
    """The packages that a wheel needs in the browser."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate(MARKERS):
            yield requirement.name


def settings() -> Record:
    """JupyterLite's settings: what is loaded at the start, where progress is kept, and no package index."""
    environment = {"VMTEACH_PROGRESS": "/drive/progress.json", "HOME": "/home/pyodide"}
    kernel = {"disablePyPIFallback": True, "loadPyodideOptions": {"packages": list(AT_START), "env": environment}}
    config = {"appName": "vmteach", "exposeAppInBrowser": True, "litePluginSettings": {KERNEL: kernel}}
    return {"jupyter-lite-schema-version": 0, "jupyter-config-data": config}


def _jupyter_lite(work: Path, target: Path) -> None:
    options = (
        f"--lite-dir {work / 'lite'} --contents {work / 'content'} --output-dir {target.resolve()} --no-sourcemaps"
    )
    apps = "--apps notebooks --apps lab --apps tree"
    _run([sys.executable, "-m", "jupyterlite_core", "build", *options.split(), *apps.split()], work)


def check(site: Path) -> None:
    """BuildError unless the site has its runtime, its widgets' scripts and no way out."""
    config = json.loads((site / "jupyter-lite.json").read_text(encoding="utf-8"))["jupyter-config-data"]
    kernel = config["litePluginSettings"][KERNEL]
    extensions = {entry["name"] for entry in config["federated_extensions"]}
    wanted = {"@jupyter-widgets/jupyterlab-manager", "anywidget", "@jupyterlite/pyodide-kernel-extension"}
    if missing := wanted - extensions:
        raise BuildError(f"the live course lacks {', '.join(sorted(missing))}: pip install 'vmteach[site]'")
    if kernel.get("pyodideUrl") != "./static/pyodide/pyodide.mjs" or not kernel["disablePyPIFallback"]:
        raise BuildError(f"the live course would ask other hosts for its runtime: {kernel}")
    folder = site / "static" / "pyodide"
    for entry in json.loads((folder / "pyodide-lock.json").read_text(encoding="utf-8"))["packages"].values():
        if hashlib.sha256((folder / entry["file_name"]).read_bytes()).hexdigest() != entry["sha256"]:
            raise BuildError(f"{entry['file_name']} is not what the lock says")


def _run(command: list[str], folder: Path) -> str:
    """What a program prints; BuildError with its last words if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(command[:4])} failed: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout
