"""What may import what, and what an import costs: it prints nothing, reads nothing, loads nothing big."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "vmteach"

# From the bottom up. A module imports from its own layer or from a lower one.
LAYERS = (
    {"run", "tables"},
    {"machine"},
    {"kernel"},
    {"patches", "course"},
    {"figures", "exercises", "cases"},
    {"lab", "live", "handout"},
)
HEAVY = ("matplotlib", "ipywidgets", "anywidget", "IPython", "pandas", "numpy")

MODULES = sorted(
    ".".join(("vmteach", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)


def part(module: str) -> str:
    """The top-level part that a module belongs to: `patches` for vmteach.patches.mremap."""
    return module.split(".")[1]


def layer(module: str) -> int:
    return next(i for i, parts in enumerate(LAYERS) if part(module) in parts)


def file_of(module: str) -> Path:
    path = PACKAGE.parent / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports(module: str) -> set[str]:
    """The modules of vmteach that a module imports, anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(file_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written out in full"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name in MODULES and name not in (module, "vmteach")}


def in_a_fresh_process(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("module", [module for module in MODULES if module != "vmteach"])
def test_imports_go_one_way(module):
    assert {name for name in imports(module) if layer(name) > layer(module)} == set()


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("vmteach.patches.")])
def test_patches_do_not_import_each_other(module):
    assert {name for name in imports(module) if name.startswith("vmteach.patches.")} == set()


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith("vmteach.figures.")])
def test_a_figure_knows_no_patch_but_its_own(module):
    own = module.replace("figures", "patches")
    assert {name for name in imports(module) if name.startswith("vmteach.patches.")} <= {own}


def test_the_package_itself_imports_nothing_until_it_is_asked():
    program = "import sys, vmteach\nprint([name for name in sys.modules if name.startswith('vmteach.')])"
    assert in_a_fresh_process(program).stdout == "[]\n"


def test_models_load_nothing_that_draws_or_tabulates():
    figures = layer("vmteach.figures")
    models = [module for module in MODULES if module != "vmteach" and layer(module) < figures]
    program = f"import json, sys, {', '.join(models)}\nprint(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(in_a_fresh_process(program).stdout))
    assert set(models) <= loaded
    assert loaded.isdisjoint(HEAVY)


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
def hook(event, arguments):
    if event == "open" and not str(arguments[0]).startswith(({str(PACKAGE)!r}, sys.prefix, sys.base_prefix)):
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
