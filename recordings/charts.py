"""Charts of lines over time as SVG: text that any browser draws at once, without a program.

Only what is drawn becomes a float.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from typing import NamedTuple

from positions.model.durations import SECOND

_WIDTH, _HEIGHT = 1060, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 28
_MARKS = {"up": "0,-7 6,5 -6,5", "down": "0,7 6,-5 -6,-5", "square": "-5,-5 5,-5 5,5 -5,5"}
_STEPS = (1, 2, 2.5, 5, 10)

Point = tuple[int, float | None]
"""A time in nanoseconds, and a value; None = there is none, and the line has a gap."""


class Line(NamedTuple):
    """A line; a step holds its value until the next."""

    name: str
    color: str
    points: Sequence[Point]
    is_step: bool = False
    is_dotted: bool = False


class Marks(NamedTuple):
    """Marks at points, each with the text that shows when it is pointed at."""

    name: str
    color: str
    shape: str
    points: Sequence[tuple[int, float, str]]


def chart(unit: str, lines: Sequence[Line], marks: Sequence[Marks] = ()) -> str:
    """A chart of lines and marks, as an SVG element."""
    times = [t for line in lines for t, _ in line.points] or [0]
    values = [v for line in lines for _, v in line.points if v is not None]
    values += [v for m in marks for _, v, _ in m.points]
    frame = _Frame(min(times), max(times), min(values, default=0), max(values, default=1))
    parts = [*frame.axes(unit), *(frame.line(line) for line in lines)]
    parts += [frame.mark(m, *point) for m in marks for point in m.points]
    keys = [("▬", line.color, line.name) for line in lines]
    keys += [("●", m.color, m.name) for m in marks]
    legend = "".join(
        f'<tspan dx="14" fill="{color}">{sign} </tspan><tspan>{escape(name)}</tspan>'
        for sign, color, name in keys
    )
    parts.append(f'<text class="legend" x="{_LEFT}" y="{_HEIGHT - 2}">{legend}</text>')
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT + 8}"'
    return f'<svg {box} role="img" aria-label="{escape(unit)}">{"".join(parts)}</svg>'


class _Frame:
    """Where times and values stand in a chart."""

    def __init__(self, begin: int, end: int, low: float, high: float) -> None:
        self._begin, self._end = begin, max(end, begin + SECOND)
        margin = (high - low) * 0.04 or 0.01
        self._low, self._high = low - margin, high + margin

    def _x(self, time: int) -> str:
        part = (time - self._begin) / (self._end - self._begin)
        return f"{_LEFT + part * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def _y(self, value: float) -> str:
        part = (value - self._low) / (self._high - self._low)
        return f"{_HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    def axes(self, unit: str) -> Iterable[str]:
        """A line for each round value, and the times of the ends and between."""
        for value in _round_values(self._low, self._high):
            y = self._y(value)
            yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
            place = f'x="{_LEFT - 6}" y="{y}" dy="4"'
            yield f'<text class="axis" {place} text-anchor="end">{value:g}</text>'
        shown = "%m-%d %H:%M" if self._end - self._begin > 86_400 * SECOND else "%H:%M:%S"
        for part in range(7):
            time = self._begin + (self._end - self._begin) * part // 6
            text = datetime.fromtimestamp(time / SECOND, UTC).strftime(shown)
            anchor = ("start", "end")[part == 6] if part in (0, 6) else "middle"
            place = f'x="{self._x(time)}" y="{_HEIGHT - _BOTTOM + 14}"'
            yield f'<text class="axis" {place} text-anchor="{anchor}">{text}</text>'
        yield f'<text class="axis" x="{_LEFT}" y="{_TOP - 2}">{escape(unit)}</text>'

    def line(self, line: Line) -> str:
        """The path of a line."""
        parts: list[str] = []
        for time, value in line.points:
            if value is None:
                parts.append("")
                continue
            x, y = self._x(time), self._y(value)
            if not parts or not parts[-1]:
                parts.append(f"M{x},{y}")
            else:
                parts.append(f"H{x}V{y}" if line.is_step else f"L{x},{y}")
        dots = ' stroke-dasharray="3 4"' if line.is_dotted else ""
        title = f"<title>{escape(line.name)}</title>"
        return f'<path d="{"".join(parts)}" stroke="{line.color}"{dots}>{title}</path>'

    def mark(self, marks: Marks, time: int, value: float, text: str) -> str:
        """One mark."""
        place = f"translate({self._x(time)},{self._y(value)})"
        shape = f'<polygon points="{_MARKS[marks.shape]}" fill="{marks.color}" transform="{place}">'
        return f"{shape}<title>{escape(f'{marks.name}: {text}')}</title></polygon>"


def _round_values(low: float, high: float) -> Iterable[float]:
    size = 10.0 ** len(str(int((high - low) / 4))) / 10 if high - low >= 4 else 1.0
    while size > (high - low) / 4:
        size /= 10
    step = next((size * s for s in _STEPS if size * s >= (high - low) / 5), size * 10)
    first = int(low / step) - 1
    return [round(n * step, 10) for n in range(first, first + 99) if low <= n * step <= high]


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many points as can be seen: of each stretch its first, lowest and highest."""
    size = -(-len(points) // (most // 3)) if len(points) > most else 1
    kept: list[Point] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        lowest, highest = (f(part, key=_value) for f in (min, max))
        kept += sorted({part[0], lowest, highest}, key=_time)
    changes = [b for a, b in pairwise([(0, -1.0), *kept]) if a[1] != b[1]]
    return [*changes, *kept[-1:]]


def _value(point: Point) -> float:
    return point[1] or 0.0


def _time(point: Point) -> int:
    return point[0]
