"""What is installed, how, and that the pages which say so agree."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import vmteach
from vmteach.patches import STEMS

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.11.0", "3.11.9", "3.12.0", "3.13.0", "3.14.0")
SYSTEMS = (("linux", "posix"), ("darwin", "posix"), ("win32", "nt"))


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PYPROJECT = tomllib.loads(text("pyproject.toml"))
PROJECT = PYPROJECT["project"]
DIRECT = [Requirement(line) for line in PROJECT["dependencies"]]
TOOLS = [Requirement(line) for line in PROJECT["optional-dependencies"]["test"]]
JUDGES = [Requirement(line) for line in PROJECT["optional-dependencies"]["judges"]]
BUILD = [Requirement(line) for line in PYPROJECT["build-system"]["requires"]]


# ---- pyproject.toml ----


def test_what_vmteach_imports_is_a_direct_dependency():
    """Or its lowest version would be whatever another package happens to ask for."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "vmteach").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    tops = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"vmteach"}
    assert {"numpy", "bs4", "PIL"} <= tops
    packages = metadata.packages_distributions()
    stated = {canonicalize_name(r.name) for r in DIRECT}
    for top in tops:
        assert stated & {canonicalize_name(package) for package in packages[top]}, top


def test_direct_dependencies_have_a_lower_bound_and_no_other():
    for wanted in DIRECT + TOOLS + BUILD:
        assert [s.operator for s in wanted.specifier] == [">="], wanted.name


# ---- environment.yml ----


def test_environment_yml_has_the_packages_and_bounds_of_pyproject():
    parts = yaml.safe_load(text("environment.yml"))["dependencies"]
    first, *others = (part for part in parts if isinstance(part, str) and part != "pip")
    python = re.fullmatch(r"python=(3\.\d+)", first)
    assert python and python[1] in SpecifierSet(PROJECT["requires-python"])
    assert any(known.startswith(f"{python[1]}.") for known in PYTHONS)
    conda = [Requirement(part) for part in others]
    assert {r.name: r.specifier for r in conda} == {r.name: r.specifier for r in DIRECT}


def test_environment_yml_installs_the_project_itself_with_pip():
    page = yaml.safe_load(text("environment.yml"))
    assert page["name"] == PROJECT["name"]
    assert page["channels"] == ["conda-forge"]
    assert page["dependencies"][-2:] == ["pip", {"pip": ["-e ."]}]


def test_environment_yml_names_packages_as_conda_forge_does():
    """Conda takes - and _ for different letters; every other name here is the same in both."""
    assert re.findall(r"\bjupyter.server\b", text("environment.yml")) == ["jupyter_server"]


def test_repo2docker_reads_environment_yml_and_its_python(monkeypatch):
    """With its own parser, where that is installed: pip install jupyter-repo2docker."""
    buildpacks = pytest.importorskip("repo2docker.buildpacks", reason="this test needs repo2docker: make test-newest")
    monkeypatch.chdir(ROOT)
    others = ("LegacyBinderDocker", "Docker", "JuliaProjectToml", "JuliaRequire", "Nix", "R")  # it asks these before
    for name in others:
        assert not getattr(buildpacks, f"{name}BuildPack")("buildpack-deps:jammy").detect(), name
    conda = buildpacks.CondaBuildPack("buildpack-deps:jammy")
    assert conda.detect()
    assert f"python={conda.python_version}" in text("environment.yml")
    assert ["environment.yml" in script for _, script in conda.get_assemble_scripts()] == [True]
    conda.platform = "linux/amd64"
    assert any(f"py-{conda.python_version}-" in file for file in conda.get_build_script_files())
    asked = {"NB_USER": "reader", "NB_UID": "1000", "HOME": "/home/reader", "REPO_DIR": "/home/reader"}
    dockerfile = conda.render(asked)
    # The repository is there before the environment is made, which installs it with -e .
    assert 0 < dockerfile.index("COPY --chown=1000:1000 src/ ") < dockerfile.index("env update")


# ---- requirements/lock.txt ----


def pins() -> list[tuple[Requirement, str]]:
    """Each pin of the lock, with its hashes as one string."""
    joined = text("requirements/lock.txt").replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(Requirement(line.split("--hash=")[0]), line) for line in lines]


def test_every_pin_is_exact_and_has_hashes():
    for pin, line in pins():
        assert [s.operator for s in pin.specifier] == ["=="], pin.name
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line), pin.name


def test_lock_names_no_host():
    assert not re.search(r"://|--?(index|extra-index|find-links|trusted-host)", text("requirements/lock.txt"))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("system", "os_name"), SYSTEMS, ids=[system for system, _ in SYSTEMS])
def test_lock_has_one_version_of_every_package_that_pyproject_asks_for(python, system, os_name):
    where = {
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": system,
        "os_name": os_name,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    here = [pin for pin, _ in pins() if not pin.marker or pin.marker.evaluate(where)]
    names = [canonicalize_name(pin.name) for pin in here]
    assert len(names) == len(set(names))
    versions = {name: next(iter(pin.specifier)).version for name, pin in zip(names, here, strict=True)}
    for wanted in DIRECT + TOOLS + BUILD:
        assert versions[canonicalize_name(wanted.name)] in wanted.specifier, wanted.name


# ---- scripts/bootstrap.py ----


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, working in a folder of its own and only noting what it would do."""
    spec = importlib.util.spec_from_file_location("bootstrap_here", ROOT / "scripts" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.did = []
    for name in ("LOCK", "PYPROJECT"):
        monkeypatch.setattr(module, name, tmp_path / name)
        (tmp_path / name).write_text("as it was", encoding="utf-8")
    monkeypatch.setattr(module, "VENV", tmp_path / "a venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / "a venv" / "stamp")
    monkeypatch.setattr(module, "make_venv", lambda: (module.did.append("venv"), module.VENV.mkdir(exist_ok=True)))
    monkeypatch.setattr(module, "install", lambda: module.did.append("install"))
    return module


def test_first_setup_makes_and_fills_the_environment_and_the_second_does_nothing(bootstrap):
    bootstrap.setup()
    bootstrap.setup()
    assert bootstrap.did == ["venv", "install"]


@pytest.mark.parametrize("changed", ["LOCK", "PYPROJECT"])
def test_other_pins_are_installed_into_the_same_environment(bootstrap, changed):
    bootstrap.setup()
    getattr(bootstrap, changed).write_text("as it is now", encoding="utf-8")
    bootstrap.setup()
    assert bootstrap.did == ["venv", "install", "install"]


def test_another_python_or_another_folder_makes_a_new_environment(bootstrap, monkeypatch):
    bootstrap.setup()
    monkeypatch.setattr(bootstrap.platform, "python_version", lambda: "3.14.9")
    bootstrap.setup()
    assert bootstrap.did == ["venv", "install"] * 2


@pytest.mark.parametrize("before", [[], ["venv", "install"]], ids=["first", "later"])
def test_a_setup_that_broke_off_is_begun_again_from_nothing(bootstrap, monkeypatch, before):
    def breaks():
        raise KeyboardInterrupt

    if before:
        bootstrap.setup()
        bootstrap.LOCK.write_text("as it is now", encoding="utf-8")
    with monkeypatch.context() as broken:
        broken.setattr(bootstrap, "install", breaks)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.setup()
    bootstrap.did.clear()
    bootstrap.setup()
    assert bootstrap.did == ["venv", "install"]


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


def test_bootstrap_tells_its_commands_and_refuses_others():
    script = [sys.executable, str(ROOT / "scripts" / "bootstrap.py")]
    helped = subprocess.run(script, capture_output=True, text=True, check=True)
    assert "lab, handouts, editions, bench, test" in helped.stdout
    assert subprocess.run([*script, "fly"], capture_output=True).returncode == 2


def test_no_news_is_valid_json(bootstrap):
    (settings,) = json.loads(bootstrap.NO_NEWS).values()
    assert settings == {"fetchNews": "false", "checkForUpdates": False}


def test_the_page_that_make_lab_opens_is_there(bootstrap):
    assert (ROOT / bootstrap.START).is_file()


# ---- scripts/bounds.py ----


@pytest.fixture
def bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, in a folder of its own and noting what it would run; each pytest ends with 5."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    spec = importlib.util.spec_from_file_location("bounds_here", ROOT / "scripts" / "bounds.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text(text("pyproject.toml"), encoding="utf-8")
    module.did = []
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module.venv, "create", lambda folder, **how: module.did.append((folder, how)))
    monkeypatch.setattr(module.subprocess, "run", lambda command, **how: module.did.append(command))
    monkeypatch.setattr(module.bootstrap, "in_venv", lambda *what, python: module.did.append((python, *what)) or 5)
    monkeypatch.delenv("CI", raising=False)
    return module


@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_a_job_at_the_bounds_has_an_environment_of_its_own_made_anew_and_no_lock(bounds, tmp_path, which):
    assert bounds.main(which, "-k", "mremap") == 5
    (folder, how), packages, ourselves, _, (python, *tests) = bounds.did
    assert folder == tmp_path / f".venv-{which}"
    assert how["clear"]
    assert python.is_relative_to(folder)
    assert packages[0] == ourselves[0] == str(python)
    assert tests == ["pytest", "-k", "mremap"]
    assert not {"-r", "-c", "--pre", "--require-hashes"} & {*packages, *ourselves}
    assert ourselves[-2:] == ["-e", str(tmp_path)]


def test_oldest_asks_for_each_bound_itself_and_newest_for_anything_above(bounds):
    asked = {}
    for which in ("oldest", "newest"):
        bounds.main(which)
        asked[which] = [word for word in bounds.did[-4] if re.search("[<>=]=", word)]
    stated = DIRECT + TOOLS + BUILD
    assert [Requirement(need) for need in asked["newest"]] == stated + JUDGES
    assert asked["oldest"] == [str(need).replace(">=", "==") for need in stated]


def test_a_job_at_the_bounds_runs_no_test_if_its_packages_do_not_fit_together(bounds, monkeypatch):
    def fails(command, **how):
        raise subprocess.CalledProcessError(3, command)

    monkeypatch.setattr(bounds.subprocess, "run", fails)
    assert bounds.main("oldest") == 3
    assert len(bounds.did) == 1


@pytest.mark.parametrize("need", ["pandas", "pandas==2.3", "pandas>=2.3,<3", "pandas>=2.3rc1", "pandas~=2.3"])
def test_a_bound_that_is_no_bound_is_refused_by_name(bounds, need):
    with pytest.raises(ValueError, match="pandas"):
        bounds.oldest(need)


def test_jobs_at_the_bounds_refuse_other_words_and_an_old_python(bounds, monkeypatch):
    assert bounds.main("middle") == 2
    with monkeypatch.context() as old:
        old.setattr(bounds.sys, "version_info", (3, 10, 2))
        with pytest.raises(SystemExit, match=r"3\.11 to 3\.14"):
            bounds.main("oldest")
    assert bounds.did == []


# ---- what the pages say ----


def test_make_help_lists_every_target():
    makefile = text("Makefile")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split()
    assert re.findall(r"^([a-z-]+):  ## .+", makefile, re.M) == targets


def test_make_clean_and_git_know_the_environments_of_the_jobs_at_the_bounds():
    cleaned = re.search(r"rm -rf (.*)", text("Makefile")).group(1).split()
    assert {".venv", ".venv-oldest", ".venv-newest"} <= set(cleaned)
    assert ".venv*/" in text(".gitignore").splitlines()


def test_ci_makes_the_tests():
    assert text(".ci/run").splitlines()[-1].endswith("make test")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_commands_that_a_page_names_are_targets(page):
    targets = re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.M).group(1).split()
    named = set(re.findall(r"\bmake ([a-z-]+)\b", " ".join(re.findall(r"`[^`]+`", text(page)))))
    assert named
    assert named <= set(targets)


def test_versions_agree():
    assert yaml.safe_load(text("CITATION.cff"))["version"] == vmteach.__version__
    assert f"## [{vmteach.__version__}]" in text("CHANGELOG.md")


def test_citation_has_what_the_format_asks_for():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["type"] == "software"


def test_readme_lists_the_chapters_and_which_of_them_exist():
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|", text("README.md"), re.M)
    assert [int(number) for number, *_ in rows] == list(range(1, len(STEMS) + 1))
    for (number, patch, chapter), stem in zip(rows, STEMS, strict=True):
        path = f"notebooks/{int(number):02d}_{stem}.ipynb"
        assert f"({path})" in chapter if (ROOT / path).exists() else chapter == "to come", patch
