"""What all tests share: how random cases are made, and the browser."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

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
)


@pytest.fixture(scope="session", autouse=True)
def progress_file(tmp_path_factory: Any) -> Iterator[None]:
    """What the tests "learn" goes to a file of their own, in this process and in the kernels that it starts."""
    kept = os.environ.get("VMTEACH_PROGRESS")
    os.environ["VMTEACH_PROGRESS"] = str(tmp_path_factory.mktemp("progress") / "progress.json")
    yield
    if kept is None:
        del os.environ["VMTEACH_PROGRESS"]
    else:
        os.environ["VMTEACH_PROGRESS"] = kept


def chromium_program() -> str | None:
    """The system's Chromium: what CHROMIUM says, or the first that is found."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium, headless, driven by playwright; a test without one is skipped."""
    program = chromium_program()
    if not program:
        pytest.skip("this test needs Chromium: install the package chromium, or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=list(CHROMIUM_OPTIONS))
        yield chromium
        chromium.close()
