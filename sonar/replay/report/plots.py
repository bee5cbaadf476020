"""The timeline of a report: one plot a row, drawn by ``templates/parts.html``.

x runs over the recording, 0 to :data:`WIDTH`; y from 0 (top) to 100. What color shows is shown
by height, dash or lane as well, and each plot has its content in words.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sonar.replay.labels import Truth
from sonar.replay.report.data import NAMES, SIDES, Moment, ReportRun, side_of, sound_words

T = TypeVar("T")

WIDTH = 1000.0
_BAND_ROWS = {"clear": 1, "far": 2, "near": 3, "close": 4, "stop": 5, "unknown": 5}
_LANES = {"left": 0.0, "center": 33.3, "right": 66.6}
_LANE_LINES = (33, 66)
_QUARTERS = (25, 50, 75)
_DASHES = "left dashed, ahead solid, right dotted"
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
    """One row of the timeline: marks and lines, or an image.

    Attributes:
        name, scale: beside it; alt: its content in words; caption: below it.
        grid: heights of horizontal lines; lines: (CSS class, SVG path).
        image: its address; image_width_percent: of the row's width.
    """

    name: str
    scale: str
    alt: str
    caption: str = ""
    height_px: int = 24
    grid: Sequence[int] = ()
    marks: Sequence[Mark] = ()
    lines: Sequence[tuple[str, str]] = ()
    image: str = ""
    image_width_percent: float = 100.0


def ticks(duration_s: float) -> list[tuple[float, float]]:
    """(per cent of the width, seconds) of the marks below the rows."""
    step = next(s for s in _round_steps() if duration_s / s <= 12)
    count = int(duration_s / step + 1e-9)
    return [(100 * i * step / duration_s, i * step) for i in range(count + 1)]


def timeline(run: ReportRun) -> list[Plot]:
    """Every row that is drawn from the records."""

    def distance(moment: Moment, side: str) -> float | None:
        return moment.sides[side].distance_m

    def contact(moment: Moment, side: str) -> float | None:
        return moment.sides[side].ttc_s

    return [
        *([] if run.truth is None else [_labels(run, run.truth)]),
        *(_bands(run, side) for side in SIDES),
        _values(run, "Distance", 6.0, "m", distance, "nearest"),
        _values(run, "Time to contact", 8.0, "s", contact, "shortest"),
        _values(run, "Confidence", 100.0, "% uncertain", _uncertain, "best"),
        _cues(run),
        _speech(run),
        _states(run),
        _latency(run),
    ]


def _labels(run: ReportRun, truth: Truth) -> Plot:
    marks, lines = [], []
    for event in truth.events:
        text = f"{event.from_s:.1f} to {event.to_s:.1f} s: {event.kind}, {event.side}"
        lines.append(text)
        y = _LANES[event.side] + 4
        marks.append(_mark(run, event.from_s, event.to_s, y, 26, "label", text))
        if event.contact_s is not None:
            at_s = event.contact_s
            marks.append(_mark(run, at_s, at_s, y - 4, 33, "contact", "contact"))
    alt = f"Labels of what was there, in three lanes: {'; '.join(lines) or 'none'}."
    scale = "lanes: left, ahead, right; line = contact"
    return Plot("Labels", scale, alt, height_px=60, grid=_LANE_LINES, marks=marks)


def _bands(run: ReportRun, side: str) -> Plot:
    shares: Counter[str] = Counter()
    marks = []
    name = NAMES[side]
    for start, end, band in _spans(run, lambda moment: moment.sides[side].band):
        shares[band] += round(1000 * (end - start))
        height = 20.0 * _BAND_ROWS[band]
        marks.append(_mark(run, start, end, 100 - height, height, band, f"{name}: {band}"))
    total = max(1, sum(shares.values()))
    ordered = sorted(shares.items(), key=lambda item: -_BAND_ROWS[item[0]])
    words = ", ".join(f"{band} {100 * ms / total:.0f} %" for band, ms in ordered)
    alt = f"Bands {name.lower()} over time. Of the time: {words or 'nothing seen'}."
    return Plot(name, "higher = nearer, hatched = unknown", alt, height_px=40, marks=marks)


def _values(
    run: ReportRun,
    name: str,
    top: float,
    unit: str,
    value: Callable[[Moment, str], float | None],
    extreme: str,
) -> Plot:
    lines, words = [], []
    for side in SIDES:
        points = [(moment.start_s, value(moment, side)) for moment in run.moments]
        lines.append((side, _path(run, points, top)))
        known = [(v, t) for t, v in points if v is not None]
        least = f"{extreme} {min(known)[0]:.1f} {unit} at {min(known)[1]:.1f} s" if known else ""
        words.append(f"{NAMES[side].lower()} {least or 'not known'}")
    caption = "; ".join(words)
    alt = f"{name} over time, from 0 to {top:g} {unit}: {caption}."
    scale = f"0 to {top:g} {unit}; {_DASHES}"
    return Plot(name, scale, alt, caption, 80, _QUARTERS, lines=lines)


def _uncertain(moment: Moment, side: str) -> float | None:
    """Standard deviation of the distance as a share of it, in per cent."""
    reading = moment.sides[side]
    if reading.distance_m is None or reading.sigma_m is None or reading.distance_m <= 0:
        return None
    return 100.0 * reading.sigma_m / reading.distance_m


def _cues(run: ReportRun) -> Plot:
    marks = []
    sounding_s = 0.0
    for start, end, key in _spans(run, _cue_key):
        if key is None:
            continue
        side, kind, rate_hz, text = key
        sounding_s += end - start
        height = 30.0 if kind != "pulse" else 8.0 + 22.0 * min(1.0, rate_hz / 10.0)
        y = _LANES[side] + 31.5 - height
        marks.append(_mark(run, start, end, y, height, kind, text))
    share = 100 * sounding_s / run.duration_s
    alt = f"What sounds over time, in three lanes; something sounds {share:.0f} % of the time."
    scale = "lanes: left, ahead, right; higher = faster"
    return Plot("Sound", scale, alt, height_px=80, grid=_LANE_LINES, marks=marks)


def _cue_key(moment: Moment) -> tuple[str, str, float, str] | None:
    cue = moment.cue
    if cue is None or cue["kind"] == "silence":
        return None
    return side_of(cue), cue["kind"], round(cue["rate_hz"], 0), sound_words(cue)


def _speech(run: ReportRun) -> Plot:
    spoken = [event for event in run.events if event["kind"] == "speech"]
    marks = [
        _mark(run, e["t"], e["t"] + _PHRASE_S, 10, 80, "speech", f"{e['t']:.1f} s: {e['text']}")
        for e in spoken
    ]
    counted = Counter(str(event["text"]) for event in spoken).most_common(6)
    caption = ", ".join(f"“{text}” {count}×" for text, count in counted) or "nothing"
    alt = f"{len(spoken)} phrases spoken: {caption}. All are in the table of events."
    return Plot("Speech", f"{len(spoken)} phrases", alt, caption, marks=marks)


def _states(run: ReportRun) -> Plot:
    marks = []
    lost: Counter[str] = Counter()
    for start, end, (state, reason) in _spans(run, lambda m: (m.state, m.reason)):
        style = state if state in ("guiding", "degraded") else "other"
        text = f"{state} {(reason or '').replace('_', ' ')}".strip()
        if state == "degraded":
            lost[text] += round(1000 * (end - start))
        marks.append(_mark(run, start, end, 0, 100, style, text))
    words = ", ".join(f"{text} for {ms / 1000:.1f} s" for text, ms in lost.most_common())
    caption = words or "guiding throughout"
    return Plot("State", "hatched = degraded", f"State: {caption}.", caption, marks=marks)


def _latency(run: ReportRun) -> Plot:
    most = max((m.latency_ms.get("total", 0.0) for m in run.moments), default=0.0)
    top = next(s for s in _round_steps() if s >= max(10.0, most))
    lines = [
        (style, _path(run, [(m.start_s, m.latency_ms.get(stage)) for m in run.moments], top))
        for stage, style in (("depth", "left"), ("total", "center"))
    ]
    alt = (
        f"Processing time of each frame, 0 to {top:g} ms; the longest took {most:.0f} ms. "
        "Medians are in the table of figures."
    )
    scale = f"0 to {top:g} ms; depth dashed, total solid"
    return Plot("Processing time", scale, alt, height_px=60, grid=_QUARTERS, lines=lines)


def _spans(run: ReportRun, key: Callable[[Moment], T]) -> Iterable[tuple[float, float, T]]:
    """Moments in a row for which ``key`` is the same: start, end, key."""
    start = 0
    for index in range(1, len(run.moments) + 1):
        at_end = index == len(run.moments)
        if at_end or key(run.moments[index]) != key(run.moments[start]):
            yield run.moments[start].start_s, run.end_s(index - 1), key(run.moments[start])
            start = index


def _x(run: ReportRun, t: float) -> float:
    return WIDTH * min(1.0, t / run.duration_s)


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


def _round_steps() -> Iterator[float]:
    """0.001, 0.002, 0.005, 0.01, ... without end."""
    size = 0.001
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10
