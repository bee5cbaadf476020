"""The timeline of a report: one plot a row, drawn by ``templates/parts.html``.

x runs over the recording, 0 to :data:`WIDTH`; y from 0 (top) to 100. What color shows is shown
by height, dash or lane as well, and each plot has its content in words.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sonar.records import side_of
from sonar.replay.report.data import NAMES, Moment, ReportRun, sound_words, state_words
from sonar.types import SIDES, CueKind, Side, State

T = TypeVar("T")

WIDTH = 1000.0
_BAND_ROWS = {"clear": 1, "far": 2, "near": 3, "close": 4, "stop": 5, "unknown": 5}
_LANES = {"left": 0.0, "center": 33.3, "right": 66.6}
_LANE_LINES = (33, 66)
_QUARTERS = (25, 50, 75)
_PHRASE_S = 0.8  # how long a phrase is drawn


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle of a CSS class ``style``; ``text`` shows when the mouse rests on it."""

    style: str
    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One row of the timeline.

    Attributes:
        name, scale: beside it; alt: its content in words; caption: below it.
        grid: heights of horizontal lines; lines: (CSS class, SVG path).
    """

    name: str
    scale: str
    alt: str
    caption: str = ""
    height_px: int = 24
    grid: Sequence[int] = ()
    marks: Sequence[Mark] = ()
    lines: Sequence[tuple[str, str]] = ()


def ticks(duration_s: float) -> list[tuple[float, float]]:
    """(per cent of the width, seconds) of the two to ten marks below the rows."""
    step_s = 10.0 ** math.floor(math.log10(duration_s))
    if duration_s < 5 * step_s:
        step_s /= 2
    count = int(duration_s / step_s + 1e-9)
    return [(100 * i * step_s / duration_s, i * step_s) for i in range(count + 1)]


def timeline(run: ReportRun) -> list[Plot]:
    """Every row."""
    return [
        *(_bands(run, side) for side in SIDES),
        _values(run, "Distance", 6.0, "m", lambda m, side: m.zone(side).distance_m, "nearest"),
        _values(run, "Time to contact", 8.0, "s", lambda m, side: m.zone(side).ttc_s, "shortest"),
        _cues(run),
        _speech(run),
        _states(run),
    ]


def _bands(run: ReportRun, side: Side) -> Plot:
    spent_s: defaultdict[str, float] = defaultdict(float)
    marks = []
    name = NAMES[side]
    for start, end, band in _spans(run, lambda moment: moment.zone(side).band.value):
        spent_s[band] += end - start
        height = 20.0 * _BAND_ROWS[band]
        marks.append(_mark(run, start, end, 100 - height, height, band, f"{name}: {band}"))
    ordered = sorted(spent_s.items(), key=lambda item: -_BAND_ROWS[item[0]])
    words = ", ".join(f"{band} {100 * s / run.duration_s:.0f} %" for band, s in ordered)
    alt = f"Bands {name.lower()} over time. Of the time: {words or 'nothing seen'}."
    return Plot(name, "higher = nearer, hatched = unknown", alt, height_px=40, marks=marks)


def _values(
    run: ReportRun,
    name: str,
    top: float,
    unit: str,
    value: Callable[[Moment, Side], float | None],
    extreme: str,
) -> Plot:
    lines, words = [], []
    for side in SIDES:
        points = [(moment.start_s, value(moment, side)) for moment in run.moments]
        lines.append((side.value, _path(run, points, top)))
        known = [(v, t) for t, v in points if v is not None]
        least = f"{extreme} {min(known)[0]:.1f} {unit} at {min(known)[1]:.1f} s" if known else ""
        words.append(f"{NAMES[side].lower()} {least or 'not known'}")
    caption = "; ".join(words)
    alt = f"{name} over time, from 0 to {top:g} {unit}: {caption}."
    scale = f"0 to {top:g} {unit}; left dashed, ahead solid, right dotted"
    return Plot(name, scale, alt, caption, 80, _QUARTERS, lines=lines)


def _cues(run: ReportRun) -> Plot:
    def key(moment: Moment) -> tuple[str, str, float, str] | None:
        cue = moment.record.cue
        if cue is None:
            return None
        return side_of(cue.pan), cue.kind.value, round(cue.rate_hz), sound_words(cue)

    marks = []
    sounding_s = 0.0
    for start, end, cue in _spans(run, key):
        if cue is None:
            continue
        side, kind, rate_hz, text = cue
        sounding_s += end - start
        height = 30.0 if kind != CueKind.PULSE else 8.0 + 22.0 * min(1.0, rate_hz / 10.0)
        marks.append(_mark(run, start, end, _LANES[side] + 31.5 - height, height, kind, text))
    share = 100 * sounding_s / run.duration_s
    alt = f"What sounds over time, in three lanes; something sounds {share:.0f} % of the time."
    scale = "lanes: left, ahead, right; higher = faster"
    return Plot("Sound", scale, alt, height_px=80, grid=_LANE_LINES, marks=marks)


def _speech(run: ReportRun) -> Plot:
    spoken = [event for event in run.events if event.kind == "speech"]
    marks = [
        _mark(run, e.t, e.t + _PHRASE_S, 10, 80, "speech", f"{e.t:.1f} s: {e.text}") for e in spoken
    ]
    counted = Counter(str(event.text) for event in spoken).most_common(6)
    caption = ", ".join(f"“{text}” {count}×" for text, count in counted) or "nothing"
    alt = f"{len(spoken)} phrases spoken: {caption}. All are in the table of events."
    return Plot("Speech", f"{len(spoken)} phrases", alt, caption, marks=marks)


def _states(run: ReportRun) -> Plot:
    marks = []
    degraded_s: defaultdict[str, float] = defaultdict(float)
    for start, end, (state, text) in _spans(run, lambda m: (m.record.state, state_words(m.record))):
        style = state if state in (State.GUIDING, State.DEGRADED) else "other"
        if state is State.DEGRADED:
            degraded_s[text] += end - start
        marks.append(_mark(run, start, end, 0, 100, style, text))
    words = ", ".join(f"{text} for {s:.1f} s" for text, s in degraded_s.items())
    caption = words or "guiding throughout"
    return Plot("State", "hatched = degraded", f"State: {caption}.", caption, marks=marks)


def _spans(run: ReportRun, key: Callable[[Moment], T]) -> Iterable[tuple[float, float, T]]:
    """Moments in a row for which ``key`` is the same: start, end, key."""
    start = 0
    for index in range(1, len(run.moments) + 1):
        at_end = index == len(run.moments)
        if at_end or key(run.moments[index]) != key(run.moments[start]):
            yield run.moments[start].start_s, run.end_s(index - 1), key(run.moments[start])
            start = index


def _x(run: ReportRun, t: float) -> float:
    return WIDTH * min(1.0, max(0.0, t) / run.duration_s)


def _mark(
    run: ReportRun, start: float, end: float, y: float, height: float, style: str, text: str
) -> Mark:
    x = _x(run, start)
    return Mark(style, x, y, max(0.8, _x(run, end) - x), height, text)


def _path(run: ReportRun, points: Sequence[tuple[float, float | None]], top: float) -> str:
    """Lines through what is known; a gap where it is not. Above ``top`` is drawn at the top."""
    parts = []
    drawing = False
    for t, value in points:
        if value is not None:
            y = 100.0 * (1.0 - min(value, top) / top)
            # A lone reading is drawn too: a move alone would leave no mark.
            parts.append(f"{'L' if drawing else 'M'}{_x(run, t):.1f} {y:.1f}h0.5")
        drawing = value is not None
    return "".join(parts)
