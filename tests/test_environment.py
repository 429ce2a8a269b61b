"""What is installed, how, and that the pages which say so agree."""

import ast
import json
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

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
EXTRAS = {name: [*map(Requirement, lines)] for name, lines in PROJECT["optional-dependencies"].items()}
COURSE = [*map(Requirement, PROJECT["dependencies"]), *EXTRAS["plot"], *EXTRAS["lab"], *EXTRAS["handouts"]]
COURSE = list({r.name: r for r in COURSE if r.name != "vmteach"}.values())
TOOLS = [r for r in EXTRAS["test"] if r.name != "vmteach"]
BUILD = [Requirement(line) for line in PYPROJECT["build-system"]["requires"]]


# ---- pyproject.toml ----


def imported(folder: str) -> set[str]:
    """The packages from elsewhere that the modules of a folder import, wherever in their text."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"vmteach"}


def test_what_vmteach_imports_is_a_direct_dependency():
    """Or its lowest version would be whatever another package happens to ask for. traitlets is anywidget's."""
    tops = imported("vmteach")
    assert {"bs4", "latex2mathml", "matplotlib"} <= tops
    packages = metadata.packages_distributions()
    quiz = [Requirement(line) for line in PROJECT["optional-dependencies"]["quiz"]]
    stated = {canonicalize_name(r.name) for r in (*COURSE, *quiz)} | {"traitlets", "jupyter-core"}
    for top in tops:
        assert stated & {canonicalize_name(package) for package in packages[top]}, top


def test_the_core_asks_for_nothing_but_anywidget():
    assert [Requirement(line).name for line in PROJECT["dependencies"]] == ["anywidget"]


def test_direct_dependencies_have_a_lower_bound_and_no_other():
    for wanted in COURSE + TOOLS + BUILD:
        assert [s.operator for s in wanted.specifier] == [">="], wanted.name


# ---- environment.yml ----


def test_environment_yml_has_the_packages_and_bounds_of_pyproject():
    parts = yaml.safe_load(text("environment.yml"))["dependencies"]
    first, *others = (part for part in parts if isinstance(part, str) and part != "pip")
    python = re.fullmatch(r"python=(3\.\d+)", first)
    assert python and python[1] in SpecifierSet(PROJECT["requires-python"])
    assert any(known.startswith(f"{python[1]}.") for known in PYTHONS)
    conda = [Requirement(part) for part in others]
    assert {r.name: r.specifier for r in conda} == {r.name: r.specifier for r in COURSE}


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


# ---- requirements/ ----


def pins(*locks: str) -> list[tuple[Requirement, str]]:
    """Each pin of some locks, with its hashes as one string."""
    joined = "".join(text(f"requirements/{lock}.txt") for lock in locks).replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(Requirement(line.split("--hash=")[0]), line) for line in lines]


@pytest.mark.parametrize("lock", ["lock", "test", "site", "setup"])
def test_every_pin_is_exact_and_has_hashes_and_no_host(lock):
    for pin, line in pins(lock):
        assert [s.operator for s in pin.specifier] == ["=="], pin.name
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line), pin.name
    assert not re.search(r"://|--?(index|extra-index|find-links|trusted-host)", text(f"requirements/{lock}.txt"))


def test_the_tools_of_the_tests_are_not_in_the_lock_of_the_course():
    """A hub, a wheel folder and `make lab` do without them."""
    course = {pin.name for pin, _ in pins("lock")}
    assert course.isdisjoint(tool.name for tool in TOOLS if tool.name not in ("packaging", "pyyaml"))
    assert course.isdisjoint(["uv", "pip"])


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
    here = [pin for pin, _ in pins("lock", "test") if not pin.marker or pin.marker.evaluate(where)]
    exact = {(canonicalize_name(pin.name), next(iter(pin.specifier)).version) for pin in here}
    versions = dict(exact)
    assert len(versions) == len(exact)
    for wanted in COURSE + TOOLS + BUILD:
        assert versions[canonicalize_name(wanted.name)] in wanted.specifier, wanted.name


# ---- the settings of `make lab` ----


def test_the_settings_of_jupyterlab_are_valid_and_no_news_are_asked_for():
    settings = json.loads(text("vmteach/lab/settings/overrides.json"))
    news = settings["@jupyterlab/apputils-extension:notification"]
    assert (news["fetchNews"], news["checkForUpdates"]) == ("false", False)


# ---- what the pages say ----


def test_make_help_lists_every_target():
    makefile = text("Makefile")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split()
    assert re.findall(r"^([a-z-]+):  ## .+", makefile, re.M) == targets


def test_make_clean_and_git_know_the_environments_of_the_jobs_at_the_bounds():
    cleaned = re.search(r"rm -rf (.*)", text("Makefile")).group(1).split()
    assert {".venv", ".venv-oldest", ".venv-newest"} <= set(cleaned)
    assert ".venv*/" in text(".gitignore").splitlines()


def test_ci_lints_and_then_tests():
    assert [line.split()[-1] for line in text(".ci/run").splitlines() if "make" in line] == ["lint", "test"]


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


# ---- the workflows of a forge ----


def workflow(name: str) -> dict:
    return yaml.safe_load(text(f".github/workflows/{name}.yml"))


def test_the_forge_tries_every_system_and_every_python_that_the_project_promises():
    """`make lint` holds the form of these files (check-jsonschema)."""
    job = workflow("test")["jobs"]["test"]
    promised = SpecifierSet(PROJECT["requires-python"])
    assert [f"{version}.0" in promised for version in job["strategy"]["matrix"]["python"]] == [True] * 4
    assert {version.rpartition(".")[0] for version in PYTHONS} == set(job["strategy"]["matrix"]["python"])
    systems = {system.partition("-")[0] for system in job["strategy"]["matrix"]["system"]}
    assert systems == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("name", ["test", "site"])
def test_what_a_workflow_runs_is_a_command_of_the_project(name):
    jobs = workflow(name)["jobs"].values()
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    known = {"make site", "python scripts/bootstrap.py lint", "python scripts/bootstrap.py test"}
    assert commands and set(commands) <= known
    assert re.search(r"^site:", text("Makefile"), re.M)
