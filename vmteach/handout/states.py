"""What a handout keeps of an explorer: its states, computed beforehand, small enough to travel in the page.

Runs in the chapter's kernel. `begin()` tells IPython how to show explorers; each then answers with a bundle: the
controls, the pictures of all states as shared tiles, their numbers and words. A control that cannot matter does not
multiply the states.
"""

import base64
import gzip
import io
import itertools
import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from vmteach.exercises import marked
from vmteach.figures import Drawing
from vmteach.figures.style import DPI, TITLE_BAND
from vmteach.lab.explorer import Explorer
from vmteach.lab.stage import PANEL, Stage, as_python
from vmteach.run import one_of

MIME = "application/vnd.vmteach.explorer+json"
LEARNING = "application/vnd.vmteach.learning+json"
COMPARED = "application/vnd.vmteach.compared+json"
TILE = 32  # pixels, square
COLOURS = 128
MOST_FIRST, MOST = 720, 800  # states with the kernels of the chapter; all states
HEAVIEST = 1_450_000  # characters of one explorer's states in the page
STRIP, STRIP_WIDTH = 4, 460  # small pictures a control, and their width in pixels

_listed: dict[str, Any] = {}
_shown: "dict[int, tuple[int, Explorer, Stored]]" = {}  # by id: number in the page, the explorer, what is stored of it


def begin() -> None:
    """From now on an explorer, a prediction, what came of it, a goal or a question is shown as its bundle."""
    from IPython.core.getipython import get_ipython

    from vmteach.lab.face import Face
    from vmteach.lab.predict import Compared

    shell: Any = get_ipython()
    bundles = shell.display_formatter.mimebundle_formatter
    bundles.for_type(Explorer, lambda one, include=None, exclude=None: _told(MIME, lambda: shown(one, **_listed)))
    bundles.for_type(Face, lambda one, include=None, exclude=None: _told(LEARNING, lambda: taught(one)))
    bundles.for_type(Compared, lambda one, include=None, exclude=None: {COMPARED: one.facts(), "text/plain": repr(one)})


def _told(mime: str, bundle: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The bundle, or what went wrong with it: IPython would print that and go on."""
    try:
        return bundle()
    except Exception as trouble:
        return {mime: {"error": str(trouble)}, "text/plain": ""}


def author_lists(**lists: Any) -> None:
    """What the author lists for the explorers of the next cell: `stops` (field -> stops), `kernels` (labels)."""
    unknown = sorted(set(lists) - {"stops", "kernels"})
    if unknown:
        raise ValueError(f"the metadata of a cell may list stops and kernels for vmteach, got {', '.join(unknown)}")
    _listed.clear()
    _listed.update(lists)


def shown(
    explorer: Explorer, stops: Mapping[str, Sequence[Any]] | None = None, kernels: Sequence[str] = ()
) -> dict[str, Any]:
    """The bundle of an explorer, by its media type, and its picture in words.

    `stops` are the stops to store of some controls (all, where none are given); `kernels` are what-ifs to store too.
    """
    stored = Stored(explorer, stops or {}, kernels)
    bundle = stored.bundle()
    _shown[id(explorer)] = (len(_shown), explorer, stored)
    return {MIME: bundle, "text/plain": explorer.alt}


def taught(face: Any) -> dict[str, Any]:
    """The bundle of a face of vmteach.lab.learn; a goal's has what it says at every stored state of its explorer."""
    data: dict[str, Any] = {"spec": json.loads(json.dumps(face.spec))}
    if data["spec"]["kind"] == "predict":
        data["name"] = face.name
    if data["spec"]["kind"] == "goal":
        if id(face.explorer) not in _shown:
            raise ValueError("a goal must stand below its explorer")
        number, _, stored = _shown[id(face.explorer)]
        verdicts = {stored.key(state): stored.verdict(state, face.goal.verdict) for state in stored.states}
        texts = list(dict.fromkeys(verdicts.values()))
        said = [
            {"outcome": outcome, "html": marked(f"**{'Reached.' if reached else 'Not reached yet.'}** {message}")}
            for outcome, reached, message in texts
        ]
        at = {key: texts.index(verdict) for key, verdict in verdicts.items()}
        data |= {"explorer": number, "said": said, "at": at}
    return {LEARNING: data, "text/plain": repr(face)}


class State(NamedTuple):
    """One state: a position for each stored control, and the number of the set of kernels."""

    positions: tuple[int, ...]
    kernels: int


class Stored:
    """The states of an explorer that a page holds.

    `fields` are the controls whose stops are stored, `stops` the indices of those stops in the explorer's own,
    `sets` the sets of kernels, `held` the controls that stay where they are. `states` are all that is stored.
    """

    def __init__(self, explorer: Explorer, listed: Mapping[str, Sequence[Any]], kernels: Sequence[str] = ()) -> None:
        stage, at = explorer.stage, explorer.at
        # A stage of its own: what observes the reader's explorer is not to see it run through its states.
        self._stage = Stage(stage.patch, stage.figure, at["policies"], stage.fixed)
        self._at = dict(at)
        self._controls = self._stage.controls
        self.stops = {field: self._stops(field, listed) for field in self._controls}
        self._matter = [field for field, control in self._controls.items() if control.matters]
        self.fields = [field for field in self._matter if field in PANEL or field in listed]
        chosen = list(at["policies"])
        for label in kernels:
            one_of("kernels", label, stage.labels)
        # What-ifs can be many and slow: alone they are stored where the author asks for them.
        real = [label for label in stage.labels if not label.startswith("what if: ") or label in kernels]
        self.sets = [chosen, *([label] for label in real if [label] != chosen)]
        self._bag = Bag()
        self._answers: dict[str, int] = {}
        self._facts: dict[State, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {}
        self._seen: dict[State, tuple[int, int]] = {}  # over all controls that matter
        self.states: dict[State, tuple[int, int]] = {}  # over `fields`

    @property
    def held(self) -> list[str]:
        """The controls that matter and stay where they are."""
        return [field for field in self._matter if field not in self.fields]

    def _stops(self, field: str, listed: Mapping[str, Sequence[Any]]) -> list[int]:
        """The indices of the stops to store: all, or those that the author lists and the one of the moment."""
        every = self._controls[field].stops
        if field not in listed:
            return list(range(len(every)))
        unknown = [stop for stop in listed[field] if stop not in every]
        if unknown:
            raise ValueError(f"{field} has the stops {', '.join(map(str, every))}; the cell's metadata names {unknown}")
        return [i for i, stop in enumerate(every) if stop in listed[field] or i == self._at[field]]

    def _count(self, fields: Sequence[str]) -> int:
        return int(np.prod([len(self.stops[field]) for field in fields], initial=1))

    def bundle(self) -> dict[str, Any]:
        """Everything that the page needs, as JSON: packed states, the default picture, a strip of small pictures."""
        first = self._see(self._here, 0)
        figure = Drawing(self._stage.bitmaps.picture, first["alt"], self._stage.numbers(self._seen_at))._repr_html_()
        data = self._grown()
        strip = [*self._strip()]
        return {
            "data": data,
            "figure": figure,
            "strip": strip,
            "states": len(self.states),
            "sets": self.sets,
            "held": [self._controls[field].label for field in self.held],
        }

    # ---- the states

    @property
    def _here(self) -> dict[str, int]:
        """Where the controls stand, counted in the stops that are stored."""
        return {field: self.stops[field].index(self._at[field]) for field in self._matter}

    def _grown(self) -> str:
        """The states as one string: first the controls of every chapter, then the chapter's own while they fit."""
        text = self._packed()
        if len(text) > HEAVIEST:
            self.sets = self.sets[:1]
            text = self._packed()
        if len(text) > HEAVIEST:
            raise ValueError(
                f"the explorer's {len(self.states)} states take {len(text):,} characters, more than {HEAVIEST:,}: "
                'list fewer stops in the cell\'s metadata, {"vmteach": {"stops": {"field": [...]}}}'
            )
        for field in self.held:
            before, times = self.fields, len(self.stops[field])
            if self._count([*before, field]) > MOST_FIRST or len(text) * times > 3 * HEAVIEST:
                continue
            self.fields = [*before, field]
            more = self._packed()
            if len(more) > HEAVIEST:
                self.fields = before
                more = self._packed()
            text = more
        return text

    def _wanted(self) -> Iterator[State]:
        """All states of the chapter's own set of kernels; of each kernel alone where that is not too much."""
        every = list(itertools.product(*(range(len(self.stops[field])) for field in self.fields)))
        here = [self._here[field] for field in self.fields]
        own = [i for i, field in enumerate(self.fields) if field not in PANEL]
        near = [p for p in every if all(p[i] == here[i] for i in own)]
        alone = range(1, len(self.sets))
        few = next((some for some in (every, near) if len(every) + len(alone) * len(some) <= MOST), [])
        yield from (State(positions, 0) for positions in every)
        yield from (State(positions, kernels) for positions in few for kernels in alone)

    def _packed(self) -> str:
        self.states = {state: self._held(state) for state in sorted(self._wanted())}  # so that runs are used again
        return self._text()

    def _held(self, state: State) -> tuple[int, int]:
        """The numbers of the picture and of the answer of a state; each is asked for once."""
        whole, moved = self._whole(state)
        if whole not in self._seen:
            answer = self._see(moved, state.kernels)
            self._facts[whole] = (
                self._stage.state(self._seen_at),
                {} if "error" in answer else self._stage.numbers(self._seen_at),
            )
            self._seen[whole] = self._keep(answer)
        return self._seen[whole]

    def _whole(self, state: State) -> tuple[State, dict[str, int]]:
        """The state over all controls that matter, and where these then stand."""
        moved = {**self._here, **dict(zip(self.fields, state.positions))}
        return State(tuple(moved.values()), state.kernels), moved

    @staticmethod
    def key(state: State) -> str:
        """The name of a state in the page."""
        return f"{','.join(map(str, state.positions))}|{state.kernels}"

    def verdict(self, state: State, verdict: Callable[..., Any]) -> tuple[str, bool, str]:
        """What a goal says about a state: outcome, whether it is reached, message."""
        stops, numbers = self._facts[self._whole(state)[0]]
        if not numbers:
            return "not yet", False, "There is nothing to see at these stops."
        said = verdict(stops, numbers)
        return said.outcome.value, bool(said), said.message

    def _see(self, moved: Mapping[str, int], kernels: int) -> dict[str, Any]:
        """What the explorer answers in a state; its picture is then on the canvas."""
        stops = {field: self.stops[field][i] for field, i in moved.items()}
        self._seen_at = {**self._at, **stops, "policies": self.sets[kernels]}
        try:
            return dict(self._stage.drawn(self._seen_at).answer)
        except ValueError as impossible:
            return {"error": str(impossible)}

    def _keep(self, answer: dict[str, Any]) -> tuple[int, int]:
        """The numbers of a picture and of an answer; what was there before keeps its number."""
        answer.pop("code", None)  # the page puts it together itself
        said = self._answers.setdefault(json.dumps(answer), len(self._answers))
        return (-1 if "error" in answer else self._bag.add(self._pixels()), said)

    def _pixels(self) -> "np.ndarray[Any, Any]":
        picture = self._stage.bitmaps.picture
        band = round(TITLE_BAND * DPI)
        return np.asarray(picture.canvas.buffer_rgba())[band:, :, :3]

    # ---- packing

    def _text(self) -> str:
        """gzip of: the length of a JSON header, the header, for each place and picture the tile, the tiles."""
        numbers = {picture: i for i, picture in enumerate(sorted({p for p, _ in self.states.values() if p >= 0}))}
        answers = {said: i for i, said in enumerate(sorted({said for _, said in self.states.values()}))}
        texts = list(self._answers)
        where = {
            self.key(state): (numbers.get(picture, -1), answers[said]) for state, (picture, said) in self.states.items()
        }
        header, body = self._bag.packed(list(numbers))
        header |= {
            "spec": self._told(),
            "at": self._at_in_page(),
            "code": self._code(),
            "fields": self.fields,
            "held": self.held,
            "sets": self.sets,
            "states": where,
            "answers": [json.loads(texts[said]) for said in answers],
        }
        written = json.dumps(header, separators=(",", ":")).encode()
        written += b" " * (-len(written) % 4)
        packed = gzip.compress(struct.pack("<I", len(written)) + written + body, 9, mtime=0)
        return base64.b64encode(packed).decode()

    def _told(self) -> dict[str, Any]:
        """The explorer's own account of its controls, with the stops that are stored."""
        spec = self._stage.spec()
        for control in spec["controls"]:
            stored = self.stops[control["field"]]
            control["stops"] = [control["stops"][i] for i in stored]
            control["first"] = stored.index(control["first"]) if control["first"] in stored else 0
        spec["presets"] = []
        return {**spec, "first": self._at_in_page()}

    def _at_in_page(self) -> dict[str, Any]:
        return {**{f: self.stops[f].index(self._at[f]) for f in self._controls}, "policies": self.sets[0]}

    def _code(self) -> dict[str, Any]:
        """The parts of `Explorer.code`: what is around the arguments, and how each stop is spelled."""
        head, rest = self._stage.code(self._seen_at).split("patch.Scenario(", 1)
        tail = rest[rest.index("\nlabels = ") :].split("\n")[2:]
        fixed = {field: as_python(field, value) for field, value in self._stage.fixed.items()}
        spelled = {f: [as_python(f, c.stops[i]) for i in self.stops[f]] for f, c in self._controls.items()}
        return {
            "head": f"{head}patch.Scenario(",
            "spelled": spelled,
            "fixed": [f"{field}={value}" for field, value in fixed.items()],
            "labels": [repr(labels) for labels in self.sets],
            "tail": "\n".join(tail),
        }

    # ---- for paper

    def _strip(self) -> Iterator[dict[str, str]]:
        """Small pictures over the range of up to two controls, the others where they are."""
        for field in self.fields[:2]:
            control, stops = self._controls[field], self.stops[field]
            spread = sorted({round(i * (len(stops) - 1) / (STRIP - 1)) for i in range(STRIP)})
            for i in spread:
                answer = self._see({**self._here, field: i}, 0)
                stop = f"{control.label}: {self._stage.spelled(control, control.stops[stops[i]])}"
                if "error" in answer:
                    yield {"control": control.label, "stop": stop, "finding": answer["error"], "alt": "", "png": ""}
                else:
                    yield {
                        "control": control.label,
                        "stop": stop,
                        "finding": answer["finding"],
                        "alt": answer["alt"],
                        "png": self._small(),
                    }

    def _small(self) -> str:
        """The picture on the canvas, small, as a PNG in base64."""
        image = Image.fromarray(np.ascontiguousarray(self._pixels()))
        image = image.resize((STRIP_WIDTH, round(image.height * STRIP_WIDTH / image.width)), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.quantize(48, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        return base64.b64encode(out.getvalue()).decode()


class Bag:
    """Pictures as tiles, each kept once for each place where it stands.

    >>> bag, white = Bag(), np.full((40, 70, 3), 255, np.uint8)
    >>> bag.add(white), bag.add(white), bag.add(white[:, :, ::-1] - 255)
    (0, 0, 1)
    """

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, int], dict[bytes, int]] = {}  # place -> tile -> its number there
        self._pictures: dict[tuple[tuple[int, int], bytes], int] = {}  # size and tile numbers -> picture

    def add(self, pixels: "np.ndarray[Any, Any]") -> int:
        """The number of a picture, given as rows x columns x RGB."""
        red, green, blue = (pixels[..., i].astype(np.uint16) for i in range(3))
        colours = (red >> 3 << 11) | (green >> 2 << 5) | (blue >> 3)
        height, width = colours.shape
        padded = np.pad(colours, ((0, -height % TILE), (0, -width % TILE)), constant_values=0xFFFF)
        rows, columns = padded.shape[0] // TILE, padded.shape[1] // TILE
        tiles = padded.reshape(rows, TILE, columns, TILE).swapaxes(1, 2).reshape(rows * columns, -1)
        places = itertools.product(range(rows), range(columns))
        numbers = np.array([self._number(place, tile.tobytes()) for place, tile in zip(places, tiles)], np.uint16)
        return self._pictures.setdefault(((width, height), numbers.tobytes()), len(self._pictures))

    def _number(self, place: tuple[int, int], tile: bytes) -> int:
        known = self._tiles.setdefault(place, {})
        return known.setdefault(tile, len(known))

    def packed(self, pictures: Sequence[int]) -> tuple[dict[str, Any], bytes]:
        """Some of the pictures: what the page must know to read them, and the bytes.

        The bytes are, place after place, the tile of each picture there (two bytes); then the tiles, a byte a pixel.
        """
        known = list(self._pictures)
        sizes = [known[picture][0] for picture in pictures]
        columns = max((-(-width // TILE) for width, _ in sizes), default=0)
        rows = max((-(-height // TILE) for _, height in sizes), default=0)
        at = np.zeros((rows, columns, len(pictures)), np.uint16)
        for i, picture in enumerate(pictures):
            (width, height), numbers = known[picture]
            down, across = -(-height // TILE), -(-width // TILE)
            at[:down, :across, i] = np.frombuffer(numbers, np.uint16).reshape(down, across)
        starts: list[int] = []
        chosen: list[bytes] = []
        for place in itertools.product(range(rows), range(columns)):
            used, again = np.unique(at[place], return_inverse=True)
            at[place] = again
            starts.append(len(chosen))
            tiles = list(self._tiles.get(place, {bytes(2 * TILE * TILE): 0}))
            chosen += [tiles[number] for number in used]
        colours = np.frombuffer(b"".join(chosen), np.uint16)
        palette, lookup = _palette(colours)
        header = {"tile": TILE, "columns": columns, "rows": rows, "sizes": sizes, "starts": starts, "palette": palette}
        return header, at.astype("<u2").tobytes() + b"\0" * (-at.size * 2 % 4) + lookup[colours].tobytes()


def _palette(colours: "np.ndarray[Any, Any]") -> tuple[list[int], "np.ndarray[Any, Any]"]:
    """At most COLOURS colours as 0xRRGGBB, and which of them stands for each 16-bit colour.

    Most are the commonest; the rest are those that would otherwise be farthest from any in the palette.
    """
    counts = np.bincount(colours, minlength=1 << 16)
    used = np.flatnonzero(counts)
    rgb = np.stack([(used >> 11) * 255 // 31, (used >> 5 & 63) * 255 // 63, (used & 31) * 255 // 31], axis=1)
    far = np.full(len(used), 1 << 30)
    nearest = np.zeros(len(used), np.uint8)
    palette: list[int] = []
    common = np.argsort(-counts[used], kind="stable")
    for i in range(min(COLOURS, len(used))):
        pick = common[i] if i < COLOURS * 3 // 4 else int(np.argmax(far))
        distance = ((rgb - rgb[pick]) ** 2).sum(axis=1)
        nearer = distance < far
        far[nearer], nearest[nearer] = distance[nearer], i
        red, green, blue = (int(value) for value in rgb[pick])
        palette.append(red << 16 | green << 8 | blue)
    lookup = np.zeros(1 << 16, np.uint8)
    lookup[used] = nearest
    return palette, lookup
