"""The timeline of a report: one figure a row, drawn as SVG that stretches with the page.

No text stands inside the SVG (it would stretch): names, scales and captions are HTML beside it.
What colour tells is told by height, dash or lane as well.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import TypeVar

from sonar.replay.labels import Truth
from sonar.replay.report.data import SIDES, Moment, Run, side_of, sound_words

T = TypeVar("T")

WIDTH = 1000.0
_LEVELS = {"clear": 1, "far": 2, "near": 3, "close": 4, "stop": 5, "unknown": 5}
_DASHES = "left dashed, ahead solid, right dotted"
_SAID_S = 0.8  # how long a phrase is drawn
NAMES = {"left": "Left", "center": "Ahead", "right": "Right"}

HATCH = (
    '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>'
    '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="6" height="6" fill="#e3e3ea"/>'
    '<rect width="2.5" height="6" fill="#55555f"/></pattern></defs></svg>'
)


def figure(name: str, scale: str, plot: str, alt: str, caption: str = "") -> str:
    """One row. ``plot`` is markup; everything else is text, and escaped here."""
    return (
        f'<figure><div class="name">{escape(name)}<span class="scale">{escape(scale)}</span></div>'
        f'<div class="plot" role="img" aria-label="{escape(alt, quote=True)}">{plot}</div>'
        f"{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}</figure>"
    )


def axis(duration_s: float) -> str:
    """Seconds below the rows."""
    step = next(s for s in _round_steps() if duration_s / s <= 12)
    count = int(duration_s / step + 1e-9)
    marks = "".join(
        f'<span style="left:{100 * i * step / duration_s:.2f}%">{i * step:g} s</span>'
        for i in range(count + 1)
    )
    return f'<div class="axis" aria-hidden="true"><div>{marks}</div></div>'


def timeline(run: Run) -> str:
    """Every row that is drawn from the records."""
    return "\n".join(
        [
            *([] if run.truth is None else [_labels(run, run.truth)]),
            *(_bands(run, side) for side in SIDES),
            _lines(
                run,
                "Distance",
                6.0,
                "m",
                lambda moment, side: moment.sides[side].distance_m,
                "nearest",
            ),
            _lines(
                run,
                "Time to contact",
                8.0,
                "s",
                lambda moment, side: moment.sides[side].ttc_s,
                "shortest",
            ),
            _lines(
                run,
                "Confidence",
                100.0,
                "% uncertain",
                lambda moment, side: _uncertain(moment, side),
                "best",
            ),
            _cues(run),
            _speech(run),
            _states(run),
            _latency(run),
        ]
    )


def _labels(run: Run, truth: Truth) -> str:
    lanes = {"left": 0, "center": 1, "right": 2}
    marks = [f'<path class="grid" d="M0 {y}H{WIDTH:g}"/>' for y in (33, 66)]
    told = []
    for event in truth.events:
        text = f"{event.from_s:.1f} to {event.to_s:.1f} s: {event.kind}, {event.side}"
        told.append(text)
        y = 33.3 * lanes[event.side] + 4
        marks.append(_rect(run, event.from_s, event.to_s, y, 26, "label", text))
        if event.contact_s is not None:
            marks.append(
                _rect(run, event.contact_s, event.contact_s, y - 4, 33, "contact", "contact")
            )
    alt = f"Labels of what was there, in three lanes: {'; '.join(told) or 'none'}."
    return figure("Labels", "lanes: left, ahead, right; line = contact", _svg(60, marks), alt)


def _bands(run: Run, side: str) -> str:
    shares: Counter[str] = Counter()
    marks = []
    for start, end, band in _spans(run, lambda moment: moment.sides[side].band):
        shares[band] += round(1000 * (end - start))
        height = 20.0 * _LEVELS[band]
        marks.append(_rect(run, start, end, 100 - height, height, band, f"{NAMES[side]}: {band}"))
    total = max(1, sum(shares.values()))
    told = ", ".join(
        f"{band} {100 * ms / total:.0f} %"
        for band, ms in sorted(shares.items(), key=lambda item: -_LEVELS[item[0]])
    )
    alt = f"Bands {NAMES[side].lower()} over time. Of the time: {told or 'nothing seen'}."
    return figure(NAMES[side], "higher = nearer, hatched = unknown", _svg(40, marks), alt)


def _lines(
    run: Run,
    name: str,
    top: float,
    unit: str,
    value: Callable[[Moment, str], float | None],
    extreme: str,
) -> str:
    marks = [f'<path class="grid" d="M0 {y}H{WIDTH:g}"/>' for y in (25, 50, 75)]
    told = []
    for side in SIDES:
        points = [(moment.start_s, value(moment, side)) for moment in run.moments]
        known = [(v, t) for t, v in points if v is not None]
        marks.append(f'<path class="line {side}" d="{_path(run, points, top)}"/>')
        if known:
            least, at_s = min(known)
            told.append(f"{NAMES[side].lower()} {extreme} {least:.1f} {unit} at {at_s:.1f} s")
        else:
            told.append(f"{NAMES[side].lower()} not known")
    alt = f"{name} over time, from 0 to {top:g} {unit}: {'; '.join(told)}."
    return figure(name, f"0 to {top:g} {unit}; {_DASHES}", _svg(80, marks), alt, "; ".join(told))


def _uncertain(moment: Moment, side: str) -> float | None:
    """Standard deviation of the distance as a share of it, in per cent."""
    reading = moment.sides[side]
    if reading.distance_m is None or reading.sigma_m is None or reading.distance_m <= 0:
        return None
    return 100.0 * reading.sigma_m / reading.distance_m


def _cues(run: Run) -> str:
    lanes = {"left": 0, "center": 1, "right": 2}
    marks = []
    sounding_s = 0.0
    for start, end, key in _spans(run, _cue_key):
        if key is None:
            continue
        side, kind, rate_hz, text = key
        sounding_s += end - start
        height = 30.0 if kind != "pulse" else 8.0 + 22.0 * min(1.0, rate_hz / 10.0)
        low = 33.3 * lanes[side] + 31.5
        marks.append(_rect(run, start, end, low - height, height, kind, text))
    marks += [f'<path class="grid" d="M0 {y}H{WIDTH:g}"/>' for y in (33, 66)]
    share = 100 * sounding_s / run.duration_s
    alt = f"What sounds over time, in three lanes; something sounds {share:.0f} % of the time."
    return figure("Sound", "lanes: left, ahead, right; higher = faster", _svg(80, marks), alt)


def _cue_key(moment: Moment) -> tuple[str, str, float, str] | None:
    cue = moment.cue
    if cue is None or cue["kind"] == "silence":
        return None
    return side_of(cue), cue["kind"], round(cue["rate_hz"], 0), sound_words(cue)


def _speech(run: Run) -> str:
    said = [event for event in run.events if event["kind"] == "speech"]
    marks = [
        _rect(run, e["t"], e["t"] + _SAID_S, 10, 80, "speech", f"{e['t']:.1f} s: {e['text']}")
        for e in said
    ]
    counted = Counter(str(event["text"]) for event in said).most_common(6)
    told = ", ".join(f"“{text}” {count}×" for text, count in counted) or "nothing"
    alt = f"{len(said)} phrases spoken: {told}. All are in the table of events."
    return figure("Speech", f"{len(said)} phrases", _svg(24, marks), alt, told)


def _states(run: Run) -> str:
    marks = []
    lost: Counter[str] = Counter()
    for start, end, (state, reason) in _spans(run, lambda m: (m.state, m.reason)):
        name = state if state in ("guiding", "degraded") else "other"
        text = f"{state} {(reason or '').replace('_', ' ')}".strip()
        if state == "degraded":
            lost[text] += round(1000 * (end - start))
        marks.append(_rect(run, start, end, 0, 100, name, text))
    told = ", ".join(f"{text} for {ms / 1000:.1f} s" for text, ms in lost.most_common())
    caption = told or "guiding throughout"
    return figure("State", "hatched = degraded", _svg(24, marks), f"State: {caption}.", caption)


def _latency(run: Run) -> str:
    most = max((m.latency_ms.get("total", 0.0) for m in run.moments), default=0.0)
    top = next(s for s in _round_steps() if s >= max(10.0, most))
    marks = [f'<path class="grid" d="M0 {y}H{WIDTH:g}"/>' for y in (25, 50, 75)]
    for stage, style in (("depth", "left"), ("total", "center")):
        points = [(m.start_s, m.latency_ms.get(stage)) for m in run.moments]
        marks.append(f'<path class="line {style}" d="{_path(run, points, top)}"/>')
    alt = (
        f"Processing time of each picture, 0 to {top:g} ms; the longest took {most:.0f} ms. "
        "Medians are in the table of figures."
    )
    scale = f"0 to {top:g} ms; depth dashed, total solid"
    return figure("Processing time", scale, _svg(60, marks), alt)


def _spans(run: Run, key: Callable[[Moment], T]) -> Iterable[tuple[float, float, T]]:
    """Moments in a row for which ``key`` is the same: start, end, key."""
    start = 0
    for index in range(1, len(run.moments) + 1):
        at_end = index == len(run.moments)
        if at_end or key(run.moments[index]) != key(run.moments[start]):
            yield run.moments[start].start_s, run.end_s(index - 1), key(run.moments[start])
            start = index


def _x(run: Run, t: float) -> float:
    return WIDTH * min(1.0, t / run.duration_s)


def _rect(
    run: Run, start: float, end: float, y: float, height: float, style: str, text: str
) -> str:
    x = _x(run, start)
    width = max(0.8, _x(run, end) - x)
    return (
        f'<rect class="{escape(style, quote=True)}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}"><title>{escape(text)}</title></rect>'
    )


def _path(run: Run, points: Sequence[tuple[float, float | None]], top: float) -> str:
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


def _svg(height_px: int, marks: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH:g} 100" preserveAspectRatio="none" aria-hidden="true" '
        f'style="height:{height_px}px">{"".join(marks)}</svg>'
    )


def _round_steps() -> Iterator[float]:
    """0.001, 0.002, 0.005, 0.01, ... without end."""
    size = 0.001
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10
