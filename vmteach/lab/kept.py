"""What a learner has done so far: one readable JSON file, theirs, outside the repository.

It is read when `predict`, `exercise`, `goal`, `recall` or `progress` is called and when something is kept, and at
no other time. The variable VMTEACH_PROGRESS names another file. A file that cannot be read or written costs a
warning; what happens then is remembered until the session ends.

left out    locks: of two sessions that write within the same few milliseconds one may lose its entry; the file
            itself is always whole, because a new one takes the place of the old one in a single step
"""

import json
import os
import tempfile
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from vmteach.run import Record

REACHED = {"exercises": "solved", "goals": "reached", "recall": "solved"}  # the fact that says that a thing is done
VERSION = 2  # 2: a prediction has its votes; docs/progress.md

_remembered: Record = {}  # path -> what could not be written


def where() -> Path:
    """The file: VMTEACH_PROGRESS, or progress.json in the platform's folder for a user's data."""
    if named := os.environ.get("VMTEACH_PROGRESS"):
        return Path(named)
    folder = own_folder("data")
    if not folder:  # in a browser's Python; or XDG_DATA_HOME is relative, or there is no home
        try:
            folder = Path.home() / ".local" / "share" / "vmteach"
        except RuntimeError:
            folder = Path(tempfile.gettempdir()) / "vmteach"
    return folder / "progress.json"


def own_folder(kind: str) -> Path | None:
    """The platform's folder for a user's "data" or "cache"; None where none is known."""
    try:
        import platformdirs
    except ImportError:  # in a browser's Python
        return None
    folder = Path(getattr(platformdirs, f"user_{kind}_dir")("vmteach", appauthor=False))
    return folder if folder.is_absolute() else None


def now() -> str:
    """The time, as the file has it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def read() -> Record:
    """All that is kept: {"version": 2, "chapters": {stem: {kind: {name: facts}}}}."""
    return _read()[0]


def entry(stem: str, kind: str, name: str) -> Record:
    """What is kept of one thing; empty if nothing is."""
    return dict(entries(stem, kind).get(name, {}))


def entries(stem: str, kind: str) -> dict[str, Record]:
    """What is kept of all things of a kind, by name."""
    return dict(read()["chapters"].get(stem, {}).get(kind, {}))


def keep(stem: str, kind: str, name: str, count: str = "", **facts: object) -> bool:
    """Add facts about one thing, with the time; the fact named by `count` goes up by one. Whether it is in the file."""
    document, sound = _read()
    entry = document["chapters"].setdefault(stem, {}).setdefault(kind, {}).setdefault(name, {})
    if count:
        entry[count] = entry.get(count, 0) + 1
    entry.update(facts, when=now())
    path = where()
    if sound:
        try:
            _write(path, document)
            _remembered.pop(str(path), None)
            return True
        except OSError as error:
            _warn(f"{path} cannot be written ({error.strerror or error})")
    _remembered[str(path)] = document
    return False


def _read() -> tuple[Record, bool]:
    """The document, and whether the file may be written over."""
    path = where()
    document, trouble = load(path)
    if str(path) in _remembered:
        return _remembered[str(path)], not trouble
    if trouble:
        _warn(f"{path} {trouble}, and is left as it is")
    return document, not trouble


def load(path: Path) -> tuple[Record, str]:
    """What the file holds, and why it cannot be used; empty where there is no file yet, or no use for it."""
    empty = {"version": VERSION, "chapters": {}}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return empty, ""
    except OSError as error:
        return empty, f"cannot be read ({error.strerror or error})"
    except (ValueError, RecursionError):  # not UTF-8, not JSON
        return empty, "is not JSON"
    trouble = _misfit(document)
    return (empty if trouble else {**document, "version": VERSION}), trouble


def _misfit(document: Any) -> str:
    """Why some JSON is no use; empty if it is a progress file."""
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, int) or version < 1:
        return "is not a progress file"
    if version > VERSION:
        return f"is of a newer version ({version}) than this one can read ({VERSION})"
    return "" if _whole(document.get("chapters")) else "is not a progress file"


def _whole(chapters: Any) -> bool:
    """Whether it is tables in tables in tables, down to the facts."""
    level = [chapters]
    for _ in range(4):
        if not all(isinstance(each, dict) for each in level):
            return False
        level = [value for each in level for value in each.values()]
    return True


def _write(path: Path, document: Record) -> None:
    """Write the document; OSError says why that cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "it is read-only")
    replace(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def replace(path: Path, text: str) -> None:
    """Write beside the file, then put the new one in its place: nobody ever sees half of it."""
    handle, name = tempfile.mkstemp(prefix=path.name, suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _warn(what: str) -> None:
    warnings.warn(f"Your progress is not kept on disk: {what}. The chapter works without it.", stacklevel=2)
