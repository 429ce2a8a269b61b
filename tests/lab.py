"""A JupyterLab of our own, and a chapter opened in it."""

import contextlib
import json
import os
import queue
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
# Ours is this machine, which no proxy of the environment's need know.
ASK = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
# A score of a few rows of the kernel's cases: each table is judged whole by its chapter's test, and in test_notebooks.
FEW_ROWS = "import vmteach.cases as _cases; _cases.read_cases = lambda table, read=_cases.read_cases: read(table)[:5]"
JUPYTERLAB = "import sys; sys.modules['rfc3987_syntax'] = None; from jupyterlab.labapp import main; main()"
OVERRIDES = ROOT / "vmteach" / "lab" / "settings" / "overrides.json"
WINDOW = {"width": 1280, "height": 1400}
HERE = """async (path) => {
  for (const panel of [...window.jupyterapp.shell.widgets('main')]) {
    await panel.sessionContext?.shutdown(); panel.dispose(); }
  const panel = await window.jupyterapp.commands.execute('docmanager:open', { path, factory: 'Notebook' });
  await panel.context.ready; window.jupyterapp.shell.activateById(panel.id) }"""
READY = """async () => {
  const app = window.jupyterapp; await app.restored; const panel = app.shell.currentWidget;
  await panel.context.ready; await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info; return true }"""
CELLS = "const cells = window.jupyterapp.shell.currentWidget.content.model.cells; const code = [];\n" + (
    "for (let i = 0; i < cells.length; i++) if (cells.get(i).type === 'code') code.push(cells.get(i));\n"
)
ERRORS = f"""() => {{ {CELLS} const found = [];
  for (const cell of code) for (let j = 0; j < cell.outputs.length; j++) {{
    const output = cell.outputs.get(j);
    if (output.type === 'error') found.push(output.toJSON().ename + ': ' + output.toJSON().evalue);
  }}
  return found }}"""
OUTPUTS = f"() => {{ {CELLS} return code.reduce((sum, cell) => sum + cell.outputs.length, 0) }}"
DONE = f"""() => {{ {CELLS}
  return code.every((cell) => cell.executionCount !== null && cell.executionState !== 'running')
    || ({ERRORS})().length > 0 }}"""


SOURCES = """() => { const cells = window.jupyterapp.shell.currentWidget.content.model.cells; const all = [];
  for (let i = 0; i < cells.length; i++) all.push(cells.get(i).sharedModel.getSource());
  return all }"""
COUNT = "(i) => window.jupyterapp.shell.currentWidget.content.model.cells.get(i).executionCount"
EDIT = """(i) => { const { content } = window.jupyterapp.shell.currentWidget;
  content.deselectAll(); content.activeCellIndex = i; content.mode = 'edit'; }"""
SAYS = """([i, source]) =>
  window.jupyterapp.shell.currentWidget.content.model.cells.get(i).sharedModel.getSource() === source"""
RAN = """([i, before]) => { const cell = window.jupyterapp.shell.currentWidget.content.model.cells.get(i);
  return cell.executionCount !== null && cell.executionCount !== before && cell.executionState !== 'running' }"""


class Lab(NamedTuple):
    """Where it listens, and the folder that it serves."""

    url: str
    token: str
    folder: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


FOLDERS = ("CONFIG", "DATA", "RUNTIME", "SETTINGS", "WORKSPACES", "IPYTHON")


def _lay_out(scratch: Path, whole: bool, few_rows: bool) -> None:
    """A copy of the course, the course's settings, and what kernels do when they start."""
    for name in ("notebooks", "data"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, scratch / "course" / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name in FOLDERS:
        (scratch / name).mkdir(parents=True)
    settings = json.loads(OVERRIDES.read_text(encoding="utf-8"))  # the course's own
    settings["@jupyterlab/apputils-extension:notification"]["doNotDisturbMode"] = True
    if whole:
        settings["@jupyterlab/notebook-extension:tracker"] = {"windowingMode": "none"}
    for plugin, values in settings.items():
        folder, _, name = plugin.partition(":")
        (scratch / "SETTINGS" / folder).mkdir(parents=True, exist_ok=True)
        (scratch / "SETTINGS" / folder / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    if few_rows:
        startup = scratch / "IPYTHON/profile_default/startup/few_rows.py"
        startup.parent.mkdir(parents=True)
        startup.write_text(FEW_ROWS)


@contextlib.contextmanager
def jupyterlab(scratch: Path, whole: bool = False, few_rows: bool = False) -> Iterator[Lab]:
    """JupyterLab on a free port of the loopback, with every setting in `scratch`; ended by its own id.

    It serves a copy of the notebooks: what is typed into a cell, and saved, stays in `scratch`. So does the progress,
    unless VMTEACH_PROGRESS is set. With `whole` all cells of a notebook are in the page, not only those in view; with
    `few_rows` scores are quick.
    """
    _lay_out(scratch, whole, few_rows)
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR")
    places = dict(zip((*names, "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"), (str(scratch / n) for n in FOLDERS)))
    places = {"VMTEACH_PROGRESS": str(scratch / "progress.json"), **os.environ, **places}
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-c", JUPYTERLAB, "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [
        "--allow-root",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={scratch / 'course' / 'notebooks'}",
    ]
    command += ["--ServerApp.kernel_websocket_connection_class=vmteach.lab.server.PromptConnection"]
    command += ["--ServerApp.port_retries=0", "--LabApp.expose_app_in_browser=True"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (scratch / "log").open("w") as log:
        server = subprocess.Popen(command, env=places, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/api/status?token={token}", server, scratch / "log")
            yield Lab(url, token, scratch / "course" / "notebooks")
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextlib.contextmanager
def slow_link(port: int, delay: float) -> Iterator[int]:
    """A port of the loopback behind which `port` answers, with every chunk held for `delay` s each way."""
    door = socket.create_server(("127.0.0.1", 0))
    opened = [door]

    def serve() -> None:
        with contextlib.suppress(OSError):  # the door is closed
            while True:
                here, _ = door.accept()
                there = socket.create_connection(("127.0.0.1", port))
                opened.extend((here, there))
                for source, target in ((here, there), (there, here)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=_carry, args=(source, target, delay), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield door.getsockname()[1]
    finally:
        door.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits at it
        for one in opened:
            one.close()


def _carry(source: socket.socket, target: socket.socket, delay: float) -> None:
    """Hand on what comes, each chunk `delay` s later; the end as well."""
    held: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def read() -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = source.recv(65536)
            except OSError:
                chunk = b""
            held.put((time.monotonic() + delay, chunk))

    threading.Thread(target=read, daemon=True).start()
    chunk = b"-"
    while chunk:
        due, chunk = held.get()
        time.sleep(max(0, due - time.monotonic()))
        with contextlib.suppress(OSError):
            target.sendall(chunk) if chunk else target.shutdown(socket.SHUT_WR)


def wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, OSError), ASK(address, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not come up:\n{log.read_text()[-2000:]}")


class Visit:
    """A page of the browser with a chapter open; it notes requests that leave, and errors on the console."""

    def __init__(self, browser: Any, lab: Lab) -> None:
        self.lab = lab
        self.context = browser.new_context(viewport=WINDOW)
        self.page = self.context.new_page()
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._request)
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.lab.url, self.lab.url.replace("http", "ws"), "data:", "blob:")):
            self.strangers.append(request.url)

    def open(self, notebook: str) -> None:
        """Open a notebook and wait until its kernel answers."""
        self.page.goto(f"{self.lab.url}/lab/tree/{notebook}?token={self.lab.token}&reset")
        self._until_ready()

    def open_next(self, notebook: str) -> None:
        """Close what is open, with its kernel, and open a notebook in the same JupyterLab: it need not load again."""
        if self.page.url == "about:blank":
            self.open(notebook)
        else:
            self.strangers.clear()
            self.complaints.clear()
            self.page.set_viewport_size(WINDOW)
            self.page.evaluate("() => { document.body.style.height = '' }")
            self.page.evaluate(HERE, notebook)
            self._until_ready()

    def _until_ready(self) -> None:
        self.page.wait_for_selector(".jp-Notebook .jp-MarkdownOutput h1", timeout=60_000)
        self.page.evaluate(READY)

    def run_all(self) -> None:
        """Run every cell and wait for the last."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        self.page.wait_for_function(DONE, timeout=180_000)

    def cells(self) -> list[str]:
        """The sources of all cells."""
        return list(self.page.evaluate(SOURCES))

    def run(self, index: int, source: str | None = None) -> None:
        """Run one cell with Ctrl-Enter, with another text put in if one is given, and wait until it has run."""
        before, keys = self.page.evaluate(COUNT, index), self.page.keyboard
        self.page.evaluate(EDIT, index)
        self.cell(index).locator(".cm-content").focus()
        if source is not None:
            keys.press("Control+a")
            keys.insert_text(source)
            self.page.wait_for_function(SAYS, arg=[index, source], timeout=10_000)
        keys.press("Control+Enter")
        self.page.wait_for_function(RAN, arg=[index, before], timeout=60_000)

    def outputs(self) -> int:
        """How many outputs the notebook has, whether or not they are in the page."""
        return int(self.page.evaluate(OUTPUTS))

    def cell(self, index: int) -> Any:
        """The cell's place in the page."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def errors(self) -> list[str]:
        """The errors that cells gave."""
        return list(self.page.evaluate(ERRORS))

    def explorer(self) -> Any:
        """The first explorer of the chapter, scrolled to, with its first picture."""
        self.page.evaluate(
            """() => { const panel = window.jupyterapp.shell.currentWidget; const cells = panel.content.model.cells;
            for (let i = 0; i < cells.length; i++) if (cells.get(i).sharedModel.getSource().includes('explore(')) {
              panel.content.activeCellIndex = i; panel.content.scrollToItem(i, 'start'); return; } }"""
        )
        face = self.page.locator(".vmt").first
        face.wait_for(timeout=60_000)
        face.scroll_into_view_if_needed()
        self.page.wait_for_function("() => document.querySelector('.vmt-finding')?.textContent", timeout=60_000)
        return face

    def tell(self, script: str) -> Any:
        """Do something to the open notebook, `panel`, and wait for it."""
        return self.page.evaluate(f"async () => {{ const panel = window.jupyterapp.shell.currentWidget; {script} }}")

    def close(self) -> None:
        self.context.close()
