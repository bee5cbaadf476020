"""The timeline of a report: one plot a row, drawn by ``templates/parts.html``.

x runs over the recording, 0 to :data:`WIDTH`; y from 0 (top) to 100. What color shows is shown
by height, dash or lane as well, and each plot has its content in words.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import NamedTuple

from sonar.records import FrameRecord, ZoneRecord, side_of
from sonar.replay.report.data import NAMES, ReportRun, sound_words, state_words, zone_of
from sonar.types import SIDES, CueKind, Side

WIDTH = 1000.0
_BAND_HEIGHTS = {"clear": 20, "far": 40, "near": 60, "close": 80, "stop": 100, "unknown": 100}
_LANES = {"left": 31.5, "center": 64.8, "right": 98.1}  # lower ends
_PHRASE_S = 0.8  # how long a phrase is drawn
_NAMED = 6  # of the shares and phrases in a caption


class Bar(NamedTuple):
    """What is drawn for a while: a CSS class, from ``low`` up; ``text`` shows under the mouse."""

    style: str
    low: float
    height: float
    text: str


Mark = tuple[Bar, float, float]  # with its x and width


@dataclass(frozen=True, slots=True)
class Plot:
    """One row of the timeline.

    Attributes:
        name, scale: beside it; caption: its content in words.
        grid: heights of horizontal lines; lines: (CSS class, SVG path).
    """

    name: str
    scale: str
    caption: str
    height_px: int = 24
    grid: Sequence[int] = ()
    marks: Sequence[Mark] = ()
    lines: Sequence[tuple[str, str]] = ()


def timeline(run: ReportRun) -> list[Plot]:
    """Every row."""
    nearer = "higher = nearer, hatched = unknown"
    lanes = "lanes: left, ahead, right; higher = faster"
    return [
        *(_bars(run, NAMES[side], nearer, partial(_band, side), 40) for side in SIDES),
        _values(run, "Distance", 6.0, "m", "nearest", lambda zone: zone.distance_m),
        _values(run, "Time to contact", 8.0, "s", "shortest", lambda zone: zone.ttc_s),
        _bars(run, "Sound", lanes, _sound, 80, (33, 66)),
        _speech(run),
        _bars(run, "State", "hatched = degraded", lambda m: Bar(m.state, 100, 100, state_words(m))),
    ]


def _band(side: Side, moment: FrameRecord) -> Bar:
    band = zone_of(moment, side).band.value
    return Bar(band, 100, _BAND_HEIGHTS[band], band)


def _sound(moment: FrameRecord) -> Bar:
    cue = moment.cue
    if cue is None:
        return Bar("", 0, 0, sound_words(cue))
    height = 30.0
    if cue.kind is CueKind.PULSE:
        height = 8.0 + 22.0 * min(1.0, round(cue.rate_hz) / 10.0)
    return Bar(cue.kind.value, _LANES[side_of(cue.pan)], height, sound_words(cue))


def _bars(
    run: ReportRun,
    name: str,
    scale: str,
    draw: Callable[[FrameRecord], Bar],
    height_px: int = 24,
    grid: Sequence[int] = (),
) -> Plot:
    """One bar for moments in a row that are drawn the same; the share of time of each kind."""
    marks, spent_s = [], defaultdict[str, float](float)
    ends_s = [*(moment.t for moment in run.moments[1:]), run.duration_s]
    spans = zip(run.moments, ends_s, strict=False)  # without a moment there is one end
    for bar, alike in groupby(spans, lambda span: draw(span[0])):
        (first, end_s), *others = alike
        end_s = others[-1][1] if others else end_s
        spent_s[bar.text] += end_s - first.t
        marks.append(_mark(run, first.t, end_s, bar))
    most = sorted(spent_s.items(), key=lambda item: -item[1])[:_NAMED]
    shares = [f"{text} {100 * s / run.duration_s:.0f} %" for text, s in most]
    return Plot(name, scale, ", ".join(shares) or "nothing", height_px, grid, marks)


def _speech(run: ReportRun) -> Plot:
    spoken = [event for event in run.events if event.kind == "speech"]
    marks = [
        _mark(run, e.t, e.t + _PHRASE_S, Bar("speech", 90, 80, f"{e.t:.1f} s: {e.text}"))
        for e in spoken
    ]
    counted = Counter(str(event.text) for event in spoken).most_common(_NAMED)
    caption = ", ".join(f"“{text}” {count}×" for text, count in counted) or "nothing"
    return Plot("Speech", f"{len(spoken)} phrases", caption, marks=marks)


def _values(
    run: ReportRun,
    name: str,
    top: float,
    unit: str,
    extreme: str,
    value: Callable[[ZoneRecord], float | None],
) -> Plot:
    """A line for each side, 0 to ``top`` units; what is above is drawn at the top."""
    lines, words = [], []
    for side in SIDES:
        points = [(moment.t, value(zone_of(moment, side))) for moment in run.moments]
        known = [(v, t) for t, v in points if v is not None]
        least = f"{extreme} {min(known)[0]:.1f} {unit} at {min(known)[1]:.1f} s" if known else ""
        words.append(f"{NAMES[side].lower()} {least or 'not known'}")
        path, drawing = "", False
        for t, v in points:
            if v is not None:
                y = 100.0 * (1.0 - min(v, top) / top)
                # A lone reading is drawn too: a move alone would leave no mark.
                path += f"{'L' if drawing else 'M'}{_x(run, t):.1f} {y:.1f}h0.5"
            drawing = v is not None
        lines.append((side.value, path))
    scale = f"0 to {top:g} {unit}; left dashed, ahead solid, right dotted"
    return Plot(name, scale, "; ".join(words), 80, (25, 50, 75), lines=lines)


def _mark(run: ReportRun, start_s: float, end_s: float, bar: Bar) -> Mark:
    x = _x(run, start_s)
    return bar, x, max(0.8, _x(run, end_s) - x)


def _x(run: ReportRun, t: float) -> float:
    return WIDTH * min(1.0, max(0.0, t) / run.duration_s)
