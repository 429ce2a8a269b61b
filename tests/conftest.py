"""What all tests share: how random cases are made, and the browser."""

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent
# Whoever wants no bytecode beside the sources: the tests keep it with pytest's own, for themselves and the kernels
# that they start. Else each of some hundred interpreters compiles the course again, and each worker every test.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(ROOT / ".pytest_cache" / "bytecode")
    sys.dont_write_bytecode = False

# jsonschema, which checks notebooks, loads a grammar of addresses in each process: 1.3 s for what nobody checks.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# The case that broke a test is kept in .hypothesis and tried first next time; the blob that is printed
# repeats it on another machine. No deadline: a shared machine is slow now and then.
settings.register_profile("vmteach", print_blob=True, deadline=None)
settings.load_profile("vmteach")

CHROMIUM_OPTIONS = (
    "--no-sandbox",  # Chromium refuses to run as root with it, as it would in most containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",  # whatever the environment says: the pages are this machine's
)


# What takes longest begins first, so that no process is left with it at the end; within a file, the longest chapter.
FIRST = (
    *("browser", "exercises", "look", "setup", "handout_browser", "page", "contract", "ratios", "mremap", "handout"),
    *("scsi_deadlock", "explore", "accessible", "notebooks", "robust", "lru", "sprint"),
)
LONGEST = "08_shm_big_iron"
ALONE = ("robust", "notebooks", "lru", "sprint")  # files whose tests share nothing


def together(test: str) -> str:
    """What one process passes in a row, since it shares what is costly: a file, or a chapter in a browser.

    >>> together("tests/test_live.py::test_a"), together("tests/test_browser.py::test_a[08_shm_big_iron.ipynb]")
    ('tests/test_live.py', '08_shm_big_iron')
    """
    file, _, name = test.partition("::")
    chapter = re.search(r"\[(\d\d_\w+)", name) if file.endswith("/test_browser.py") else None
    return chapter[1] if chapter else test if file_of(test) in ALONE else file


def file_of(test: str) -> str:
    """The name of a test's file, without what all have.

    >>> file_of("tests/test_live.py::test_a")
    'live'
    """
    return test.partition("::")[0].rpartition("/")[2].removeprefix("test_").removesuffix(".py")


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """The order in which they begin. Tests that go together stay in their order, next to each other or not."""
    order = {name: at for at, name in enumerate(FIRST)}
    items.sort(key=lambda item: (order.get(file_of(item.nodeid), len(order)), LONGEST not in together(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Two processes take turns at such groups; xdist's own marks of groups are not heard by this pytest."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Together(config, log)


@pytest.fixture(scope="session", autouse=True)
def files_of_their_own(tmp_path_factory: Any) -> Iterator[None]:
    """What the tests "learn" and cache stays with them, in this process and in the kernels that it starts."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("VMTEACH_PROGRESS", str(folder / "progress.json"))
        patched.setenv("VMTEACH_CACHE", str(folder / "cache"))
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory: Any) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder of this name, which is made once for all files and both processes: no test may change what is in it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[Path], object]) -> Path:
        done, lock, making = (base / f"{name}{end}" for end in ("", ".lock", ".making"))
        while not done.exists():
            try:
                lock.mkdir()
            except FileExistsError:  # the other process is making it
                time.sleep(0.1)
                continue
            try:
                if not done.exists():
                    shutil.rmtree(making, ignore_errors=True)
                    making.mkdir()
                    make(making)
                    making.rename(done)
            finally:
                lock.rmdir()
        return done

    return made


def chromium_program() -> str | None:
    """The system's Chromium: what CHROMIUM says, or the first that is found."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def without(what: str) -> NoReturn:
    """A test that cannot run is skipped, with the reason; not on a CI service, where each must run."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"this test needs {what}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium, headless, driven by playwright."""
    program = chromium_program()
    if not program:
        without("Chromium: install the package chromium, or set CHROMIUM to its path")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        without("the Python package playwright, which the extra `test` brings")

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_OPTIONS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe() -> Any:
    """axe-core, which finds barriers in a page."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        without("the Python package axe-playwright-python, which the extra `test` brings")
    return Axe()
