"""scripts/bootstrap.py sets up what it should, where it should, whatever the reader's own settings say.

A small project with two hand-made wheels stands for the course: no network is asked.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
BACKEND = """
import pathlib, zipfile
NAME = "tiny_course-1-py3-none-any.whl"
def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "tiny_course-1.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, NAME), "w") as wheel:
        wheel.writestr("tiny_course.pth", f"import sys; sys.path.append({str(pathlib.Path.cwd())!a})")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: tiny-course\\nVersion: 1\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return NAME
def get_requires_for_build_editable(config_settings=None):
    return []
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny-course"
version = "1"
"""
RUN = """
import json, sys
sys.path.insert(0, {scripts!r})
import bootstrap
bootstrap.IMPORTS = {{"lock": "vmteach tiny"}}
bootstrap.setup("lock")
bootstrap.in_venv("-c", "import tiny, vmteach, sys, json; print(json.dumps([tiny.__file__, vmteach.__file__]))")
"""


def wheel(folder: Path, name: str, files: dict[str, bytes]) -> str:
    """Make a wheel; its line in a lock."""
    info = f"{name}-1.dist-info"
    file = folder / f"{name}-1-py3-none-any.whl"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for path, data in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100755 << 16  # of a file that is none pip takes no right to be run
            archive.writestr(entry, data)
    return f"{name}==1 --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder of wheels, and the locks that name them: by uv, and by pip where no uv can be had."""
    folder = tmp_path_factory.mktemp("wheels")
    lock = wheel(folder, "tiny", {"tiny/__init__.py": b""})
    uv = wheel(folder, "uv", {"uv-1.data/scripts/uv": Path(UV).read_bytes()}) if UV else ""
    return folder, lock, {"uv": uv, "pip": "uv==1 --hash=sha256:" + "0" * 64 + "\n"}


@pytest.fixture(params=["uv", pytest.param("pip", marks=pytest.mark.deep)])
def course(request, tmp_path, wheels):
    """The small project in a folder of its own."""
    if request.param == "uv" and not UV:
        pytest.skip("this test needs uv, which `make test` brings")
    return small_course(tmp_path / "course", wheels, request.param)


def small_course(folder: Path, wheels: tuple[Path, str, dict[str, str]], by: str) -> Path:
    for name, content in {
        "scripts/bootstrap.py": (ROOT / "scripts" / "bootstrap.py").read_text(encoding="utf-8"),
        "requirements/lock.txt": wheels[1],
        "requirements/setup.txt": wheels[2][by],
        "pyproject.toml": PROJECT,
        "backend.py": BACKEND,
        "vmteach/__init__.py": "",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    return folder


def set_up(course: Path, wheels: Path, extra: dict[str, str] | None = None, **how: object) -> tuple[list[str], str]:
    """Where a command of the course finds its modules, and what was said before."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
    ours = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "UV_OFFLINE": "1",
        "UV_CACHE_DIR": str(wheels / "cache"),
    }
    environment = {**kept, **ours, **(extra or {})}
    environment = {name: value for name, value in environment.items() if value}  # empty: unset
    command = [sys.executable, "-I", "-c", RUN.format(scripts=str(course / "scripts"))]
    done = subprocess.run(
        command, cwd=course.parent, env=environment, capture_output=True, text=True, timeout=300, **how
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said, _, found = done.stdout.rstrip().rpartition("\n")
    return json.loads(found), said


def test_the_environment_has_the_packages_and_a_second_time_nothing_is_done(course, wheels, request):
    found, said = set_up(course, wheels[0])
    (by,) = (course / ".venv").rglob("tiny-1.dist-info/INSTALLER")
    assert by.read_text().strip() == request.node.callspec.params["course"]
    assert "Making .venv" in said
    assert [Path(file).is_relative_to(course / ".venv") for file in found] == [True, False]
    assert Path(found[1]).is_relative_to(course)
    assert set_up(course, wheels[0]) == (found, "")


def settings(folder: Path, kind: str) -> dict[str, str]:
    """The reader's settings, all at once, that would send packages or Python elsewhere."""
    away, foreign = str(folder / "away"), folder / "foreign"
    if kind == "files":
        for name, content in {
            ".config/pip/pip.conf": f"[global]\nuser = true\n[install]\ntarget = {away}\n",
            ".config/uv/uv.toml": f'[pip]\ntarget = "{away}"\n',
        }.items():
            file = folder / "home" / name
            file.parent.mkdir(parents=True)
            file.write_text(content, encoding="utf-8")
        return {"HOME": str(folder / "home"), "USERPROFILE": str(folder / "home"), "XDG_CONFIG_HOME": ""}
    foreign.mkdir()
    for name in ("tiny", "json", "platform", "sitecustomize"):
        (foreign / f"{name}.py").write_text("raise SystemExit('a foreign module')")
    switches = "PIP_USER PIP_DRY_RUN UV_SYSTEM_PYTHON UV_NO_BINARY PYTHONSAFEPATH PYTHONOPTIMIZE PYTHONNOUSERSITE"
    folders = "PIP_TARGET PIP_PREFIX PIP_ROOT UV_TARGET UV_PREFIX UV_PYTHON PYTHONUSERBASE VIRTUAL_ENV CONDA_PREFIX"
    return {**dict.fromkeys(switches.split(), "1"), **dict.fromkeys(folders.split(), away), "PYTHONPATH": str(foreign)}


@pytest.mark.parametrize("kind", ["variables", "files"])
def test_nothing_goes_elsewhere(course, wheels, tmp_path, kind):
    found, _ = set_up(course, wheels[0], settings(tmp_path, kind))
    assert Path(found[0]).is_relative_to(course / ".venv")
    assert not (tmp_path / "away").exists()


def test_an_index_setting_of_a_file_goes_on_working(course, wheels, tmp_path):
    """The folder of wheels is named by pip.conf alone."""
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {wheels[0]}\n", encoding="utf-8")
    unset = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    found, _ = set_up(course, wheels[0], unset)
    assert Path(found[0]).is_relative_to(course / ".venv")


@pytest.mark.skipif(os.name == "nt", reason="umask and such paths are not Windows'")
@pytest.mark.parametrize("by", ["uv", "pip"])
def test_a_long_path_with_blanks_umlauts_and_quotes_no_home_no_terminal_and_a_narrow_umask(tmp_path, wheels, by):
    if by == "uv" and not UV:
        pytest.skip("this test needs uv, which `make test` brings")
    name = "Übung 'Linux' \"2.4\" & größer ; $HOME "
    folder = tmp_path / (name + "x" * (160 - len(f"{tmp_path}/{name}".encode())))
    course = small_course(folder, wheels, by)
    extra = {"HOME": "", "TERM": "dumb", "LC_ALL": "C", "LANG": "", "XDG_CONFIG_HOME": ""}
    found, _ = set_up(course, wheels[0], extra, umask=0o077)
    assert Path(found[0]).is_relative_to(course / ".venv")
    assert set_up(course, wheels[0], extra, umask=0o077)[1] == ""


def test_a_stamp_alone_is_not_believed(course, wheels):
    """Something took a package away, or another Python's packages came first: the environment is made anew."""
    found, _ = set_up(course, wheels[0])
    shutil.rmtree(Path(found[0]).parent)
    again, said = set_up(course, wheels[0])
    assert (again, "Making .venv" in said) == (found, True)


def test_packages_that_cannot_be_had_are_said_and_the_stamp_is_not_written(course, wheels):
    (course / "requirements/lock.txt").write_text("nowhere==1 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(AssertionError, match=r"(?s)nowhere.*could not be installed"):
        set_up(course, wheels[0])
    assert not (course / ".venv/vmteach.stamp").exists()


# ---- the decisions, one by one


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, working in a folder of its own and only noting what it would do."""
    spec = spec_from_file_location("bootstrap_here", ROOT / "scripts" / "bootstrap.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.did = []
    for name in ("requirements/lock.txt", "requirements/test.txt", "requirements/setup.txt", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("as it was", encoding="utf-8")
    monkeypatch.setattr(module, "REQUIREMENTS", tmp_path / "requirements")
    monkeypatch.setattr(module, "PYPROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr(module, "VENV", tmp_path / "a venv")
    monkeypatch.setattr(module, "make_venv", lambda: (module.did.append("venv"), module.VENV.mkdir(exist_ok=True)))
    monkeypatch.setattr(module, "install", lambda *locks: module.did.append(f"install {' '.join(locks)}"))
    monkeypatch.setattr(module, "sound", lambda *locks: True)
    return module


def test_the_course_is_installed_without_the_tools_and_the_tools_come_once(bootstrap):
    for locks in (["lock"], ["lock"], ["lock", "test"], ["lock"], ["lock", "test"]):
        bootstrap.setup(*locks)
    assert bootstrap.did == ["venv", "install lock", "install lock test"]


@pytest.mark.parametrize("changed", ["requirements/lock.txt", "requirements/setup.txt", "pyproject.toml"])
def test_other_pins_are_installed_into_the_same_environment(bootstrap, changed):
    bootstrap.setup("lock")
    (bootstrap.PYPROJECT.parent / changed).write_text("as it is now", encoding="utf-8")
    bootstrap.setup("lock")
    assert bootstrap.did == ["venv", "install lock", "install lock"]


def test_another_python_or_another_folder_makes_a_new_environment(bootstrap, monkeypatch):
    bootstrap.setup("lock")
    monkeypatch.setattr(bootstrap.platform, "python_version", lambda: "3.14.9")
    bootstrap.setup("lock")
    assert bootstrap.did == ["venv", "install lock"] * 2


@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
def test_a_setup_that_broke_off_is_begun_again_from_nothing(bootstrap, monkeypatch, before):
    def breaks(*locks):
        raise KeyboardInterrupt

    if before:
        bootstrap.setup("lock")
        (bootstrap.REQUIREMENTS / "lock.txt").write_text("as it is now", encoding="utf-8")
    with monkeypatch.context() as broken:
        broken.setattr(bootstrap, "install", breaks)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.setup("lock")
    bootstrap.did.clear()
    bootstrap.setup("lock")
    assert bootstrap.did == ["venv", "install lock"]


def test_settings_of_the_network_reach_uv_by_its_own_names_and_its_own_come_first(bootstrap, monkeypatch):
    for name, value in {"UV_TARGET": "away", "UV_INDEX": "mine", "UV_CACHE_DIR": "cache"}.items():
        monkeypatch.setenv(name, value)
    told = bootstrap.for_uv({"index-url": "one", "extra-index-url": "two\nthree", "proxy": "four", "cert": "five"})
    assert told["UV_DEFAULT_INDEX"] == "one"
    assert (told["UV_INDEX"], told["UV_CACHE_DIR"], told["ALL_PROXY"]) == ("mine", "cache", "four")
    assert "UV_TARGET" not in told


def test_missing_parts_are_named_in_one_line(bootstrap):
    assert bootstrap.why_not((3, 11), has_ensurepip=True) == ""
    assert bootstrap.why_not((3, 14), has_ensurepip=True) == ""
    for version, ensurepip, named in [
        ((3, 12), False, "python3-venv"),
        ((3, 10), True, "3.11 to 3.14"),
        ((3, 15), True, "3.11 to 3.14"),
    ]:
        line = bootstrap.why_not(version, has_ensurepip=ensurepip)
        assert named in line
        assert len(line.splitlines()) == 1


def test_the_commands_are_listed_and_others_refused():
    script = [sys.executable, str(ROOT / "scripts" / "bootstrap.py")]
    helped = subprocess.run(script, capture_output=True, text=True, check=True)
    assert "lab, handouts, site, editions, bench, test" in helped.stdout
    assert subprocess.run([*script, "fly"], capture_output=True).returncode == 2


@pytest.mark.parametrize(("which", "resolution"), [("oldest", "lowest-direct"), ("newest", "highest")])
def test_a_job_at_the_bounds_has_an_environment_of_its_own_made_anew_and_no_lock(
    bootstrap, monkeypatch, which, resolution
):
    ran: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "pip_settings", dict)
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda command, **how: ran.append([*map(str, command)]))
    monkeypatch.setattr(bootstrap, "in_venv", lambda *words, python: ran.append([str(python), *words]) or 5)
    assert bootstrap.main(which, "-k", "mremap") == 5
    made, installed, tested = ran
    assert "--clear" in made and made[-1].endswith(f".venv-{which}")
    assert installed[installed.index("--resolution") + 1] == resolution
    assert not {"-r", "-c", "--pre", "--require-hashes"} & {*installed}
    assert f".venv-{which}" in tested[0] and tested[-2:] == ["-k", "mremap"]
