"""What may import what, and what an import costs: it prints nothing, reads nothing, loads nothing big.

import-linter holds the direction of imports: `make lint`, by the layers in pyproject.toml.
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "vmteach"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = [layer.split(" : ") for layer in CONTRACTS[0]["layers"]]
GRAPH = grimp.build_graph("vmteach", cache_dir=None)
MODULES = sorted(GRAPH.modules - {"vmteach.__main__"})  # that one runs


def file_of(module: str) -> Path:
    path = PACKAGE.parent / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def in_a_fresh_process(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, "-c", program], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("patches/ncpfs", "import vmteach.figures", "Imports go down only"),
        ("patches/ncpfs", "import vmteach.patches.rawio", "Patches do not import each other"),
        ("kernel/lowmem", "def late():\n    import vmteach.patches.rawio", "Imports go down only"),
    ],
)
def test_a_forbidden_import_ends_the_lint(tmp_path, module, line, broken):
    shutil.copytree(PACKAGE, tmp_path / "vmteach", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / f"vmteach/{module}.py").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", program, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert f"{broken} BROKEN" in done.stdout


def test_the_drawing_in_the_design_has_the_layers_of_the_contract():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", page, re.S)
    boxes = dict(re.findall(r"^ *(\w+)\[(.+)\]$", drawing, re.M))
    (chain,) = re.findall(r"^ *(\w+(?: --> \w+)+)$", drawing, re.M)
    first, *drawn = [boxes[name] for name in chain.split(" --> ")]
    assert first == "notebooks"
    assert drawn == [", ".join(sorted(layer)) for layer in LAYERS]


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("vmteach.figures.")])
def test_a_figure_knows_no_patch_but_its_own(module):
    """The storm is the story of chapter 8."""
    own = module.replace("figures", "patches").replace(".storm", ".shm_big_iron")
    found = GRAPH.find_modules_directly_imported_by(module)
    assert {name for name in found if name.startswith("vmteach.patches.")} <= {own}


def test_the_package_itself_imports_nothing_until_it_is_asked():
    program = "import sys, vmteach\nprint([name for name in sys.modules if name.startswith('vmteach.')])"
    assert in_a_fresh_process(program).stdout == "[]\n"


def test_models_need_the_standard_library_alone():
    """Without site-packages there is nothing else."""
    models = [module for module in MODULES if module.startswith(("vmteach.patches", "vmteach.kernel", "vmteach.run"))]
    models += ["vmteach.machine", "vmteach.tables", "vmteach.course", "vmteach.command"]
    models += [module for module in MODULES if module == "vmteach.figures.scene"]
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {', '.join(models)}; print(len(sys.path))"
    done = in_a_fresh_process(program, "-I", "-S")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_import_loads_pyplot():
    """Pictures are made without it: a figure of pyplot's that is returned shows twice."""
    done = in_a_fresh_process(f"import sys, {', '.join(MODULES)}\nprint('matplotlib.pyplot' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


def test_imports_say_nothing_and_open_nothing():
    """No file but the package's own; what other packages do when they are first imported is not ours."""
    others = sorted({name for module in MODULES for name in third_parties(module)})
    program = f"""
import importlib, sys
for name in {others}:
    importlib.import_module(name)
own = ({str(PACKAGE)!r}, sys.prefix, sys.base_prefix, sys.pycache_prefix or sys.prefix)
def hook(event, arguments):
    if event == "open" and not str(arguments[0]).startswith(own):
        print("opened", arguments[0])
    if event.startswith(("socket.", "subprocess.", "os.system")):
        print(event, arguments)
sys.addaudithook(hook)
for name in {MODULES}:
    importlib.import_module(name)
"""
    done = in_a_fresh_process(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def third_parties(module: str) -> set[str]:
    """The packages from elsewhere that a module names at its top."""
    names = set()
    for node in ast.parse(file_of(module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return {name for name in names if not name.startswith("vmteach")}


def too_long(source: str) -> list[str]:
    """The functions of more than 40 lines and the classes of more than 250, which ruff does not count."""
    most = {ast.FunctionDef: 40, ast.ClassDef: 250}
    found = [node for node in ast.walk(ast.parse(source)) if type(node) in most]
    sizes = {node.name: (node.end_lineno - node.lineno + 1, most[type(node)]) for node in found}
    return [f"{name}: {n} lines" for name, (n, limit) in sizes.items() if n > limit]


def test_no_function_is_longer_than_40_lines_and_no_class_than_250():
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    assert len(files) > 100
    assert {file.name: found for file in files if (found := too_long(file.read_text("utf-8")))} == {}
    assert too_long("def f():\n" + 40 * "    g()\n") == ["f: 41 lines"]
    assert too_long("class C:\n" + 250 * "    c = 1\n") == ["C: 251 lines"]


def acts(source: str) -> list[str]:
    """The statements of a module that do something when it is imported, and bind no name."""
    body = ast.parse(source).body
    kinds = (ast.Expr, ast.For, ast.While, ast.With)
    return [ast.unparse(each) for each in body if isinstance(each, kinds) and not is_text(each)]


def is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def test_a_program_does_nothing_when_the_tests_import_it():
    """pytest imports scripts in two processes at once, and one wrote a notebook that the other read."""
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    assert {file.name: found for file in files if (found := acts(file.read_text("utf-8")))} == {}
    assert acts("import json\npath = 1\nprint(path)\n") == ["print(path)"]
