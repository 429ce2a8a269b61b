"""Numbers as a reader sees them: sizes, times, counts. Standard library only; the page has its twin in words.js."""

from collections.abc import Mapping

from vmteach.run import Values

_SIZES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def size(number: float) -> str:
    """Bytes in the largest unit that leaves at least 1 before the point.

    >>> size(1024), size(10240), size(1536 << 20), size(512)
    ('1 KiB', '10 KiB', '1.5 GiB', '512 B')
    """
    for unit, name in _SIZES:
        if abs(number) >= unit:
            return f"{_short(number / unit)} {name}"
    return f"{_short(number)} B"


def seconds(number: float) -> str:
    """A time in the unit that a reader would choose.

    >>> seconds(0.0042), seconds(3.4), seconds(754)
    ('4.2 ms', '3.4 s', '12 min 34 s')
    """
    if number >= 60:
        minutes, rest = divmod(round(number), 60)
        return f"{minutes} min {rest} s"
    for unit, name in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if number >= unit:
            return f"{_short(number / unit)} {name}"
    return "0 s" if number == 0 else f"{number:.2g} s"


def number(value: float | str) -> str:
    """A value of `Run.numbers` as a reader sees it.

    >>> number(10240), number(0.125), number("EIO")
    ('10,240', '0.125', 'EIO')
    """
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return _short(value) if abs(value) < 1e6 else f"{value:,.0f}"


def read_out(numbers: Mapping[str, Values]) -> list[list[str]]:
    """The numbers of some runs, by label, as they are read: a row a number, its name and a cell a run.

    >>> read_out({"unpatched": {"lost (B)": 1024}, "patched": {"lost (B)": 0, "seen": "EIO"}})
    [['lost (B)', '1,024', '0'], ['seen', '', 'EIO']]
    """
    names = dict.fromkeys(name for values in numbers.values() for name in values)
    return [[name, *(number(values.get(name, "")) for values in numbers.values())] for name in names]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
