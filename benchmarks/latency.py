"""From a key press to the changed picture, in Chromium over a live JupyterLab: medians and 95th percentiles.

    python benchmarks/latency.py [--write] [chapter ...]

A key is pressed on each control that matters, up to its last stop and back. The clock runs from the control's `input`
event to the first frame after the new picture is in the page. Absolute times are for people: the tests assert none.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from conftest import CHROMIUM_OPTIONS, chromium_program
from lab import Visit, jupyterlab
from page import put, table

CLOCK = """(face) => { window.spent = []; let began = 0;
  face.addEventListener('input', () => { began = performance.now(); }, true);
  new MutationObserver(() => requestAnimationFrame(() => { window.spent.push(performance.now() - began); }))
    .observe(face, { attributes: true, attributeFilter: ['data-answers'] }); }"""


def measure(visit: Visit, notebook: str) -> dict[str, list[float]]:
    """Milliseconds for each key press, by control."""
    visit.open(notebook)
    visit.run_all()
    face = visit.explorer()
    face.evaluate(CLOCK)
    times = {}
    for control in face.locator('input[type="range"]').all():
        if control.get_attribute("aria-describedby"):
            continue
        visit.page.evaluate("() => { window.spent = []; }")
        pressed = 0
        for key in ["ArrowRight"] * 9 + ["ArrowLeft"] * 9:
            old = control.input_value()
            control.press(key)
            if control.input_value() != old:
                pressed += 1
                visit.page.wait_for_function(f"() => window.spent.length >= {pressed}")
        times[control.get_attribute("data-field")] = visit.page.evaluate("() => window.spent")
    return times


def high(spent: list[float]) -> float:
    """The 95th percentile."""
    return sorted(spent)[min(len(spent) - 1, round(0.95 * len(spent)))]


def main(options: list[str]) -> None:
    names = [option for option in options if option != "--write"]
    notebooks = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if "explore(" in path.read_text()]
    chosen = [name for name in notebooks if not names or any(part in name for part in names)]
    rows = []
    with tempfile.TemporaryDirectory() as scratch, jupyterlab(Path(scratch)) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=list(CHROMIUM_OPTIONS))
        print(f"{'chapter':24}{'control':24}{'presses':>8}{'median':>9}{'p95':>9}  ms")
        for name in chosen:
            visit = Visit(browser, lab)
            times = measure(visit, name)
            visit.close()
            for field, spent in times.items():
                print(f"{name[:-6]:24}{field:24}{len(spent):8}{median(spent):9.0f}{high(spent):9.0f}", flush=True)
            every = [ms for spent in times.values() for ms in spent]
            worst = max(times, key=lambda field: high(times[field]))
            worst_told = f"{worst} {high(times[worst]):.0f}"
            rows.append([name[:-6], str(len(every)), f"{median(every):.0f}", f"{high(every):.0f}", worst_told])
    if "--write" in options:
        put("latency", table(["chapter", "presses", "median, ms", "p95, ms", "slowest control, its p95"], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
