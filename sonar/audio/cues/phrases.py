"""Every phrase sonar can say, the one list that catalogues, mapper and mixer share; when it is
said; and scenes in words.

A catalogue (``catalogues/*.yaml``) gives each key its words; a key that is not here is never
said, and a key that a catalogue lacks is an error there. At the default rate none may last
longer than :data:`LONGEST_S` once rendered.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from sonar.types import SIDES, Band, Height, Priority, Reason, Scene, Side, State, ZoneReading

LONGEST_S = 1.2  # seconds; longer than that, and the walker is past it
HIGHEST_NUMBER = 20
DISTANCES_M: tuple[float, ...] = tuple(step / 2 for step in range(1, 13))  # 0.5 .. 6.0
COLLISION_S = 2.0  # said when a collision is nearer than this
DROP_SAID_M = 4.0
REPEAT_AFTER_S = 6.0  # the same phrase is not spoken again sooner
_SEVERITIES = ("far", "near", "close", "step", "approaching", "head", "stop")

_WHERE = {Side.LEFT: "on the left", Side.CENTER: "ahead", Side.RIGHT: "on the right"}
_HEIGHTS = {Height.FLOOR: " on the floor", Height.HEAD: " at head height"}
_REASONS = {
    Reason.STALE: "no new frames come",
    Reason.SOURCE_LOST: "the camera is gone",
    Reason.DEPTH_FAILED: "depth failed",
    Reason.DARK: "it is too dark",
    Reason.GLARE: "the light blinds the camera",
    Reason.BLURRED: "the frame is blurred",
    Reason.COVERED: "the lens is covered",
    Reason.BLANK: "there is only a blank surface",
    Reason.FROZEN: "the frame is frozen",
    Reason.NO_GROUND: "no ground in view, distances are guesses",
    Reason.AUDIO_LOST: "the sound device was lost",
    Reason.SPEECH_LOST: "speech was lost",
}
_ALL_ALIKE = {Band.CLEAR: "clear on all sides", Band.UNKNOWN: "nothing is known"}

Verbosity = Literal["danger", "normal", "chatty"]
VERBOSITIES: tuple[Verbosity, ...] = ("danger", "normal", "chatty")


class Phrase(NamedTuple):
    """A phrase that can be said; its words are in the catalogues.

    Attributes:
        key: its name in catalogues, cues and events.
        priority: a higher one cuts off a lower one; equals wait.
        verbosity: the least at which it is said.
        expires_s: seconds after its cause beyond which it is dropped, not said.
        side: where it is heard from; None is the middle.
    """

    key: str
    priority: Priority
    verbosity: Verbosity
    expires_s: float
    side: Side | None = None


def distance_key(distance_m: float) -> str:
    """The key for a distance, rounded to half a meter within 0.5 to 6 m.

    >>> distance_key(1.4)
    'metres_1_5'
    """
    step = min(max(round(distance_m * 2), 1), 2 * int(DISTANCES_M[-1]))
    return f"metres_{step // 2}_{5 if step % 2 else 0}"


def _all() -> Iterator[Phrase]:
    danger, warning, info = Priority.DANGER, Priority.WARNING, Priority.INFO
    yield Phrase("stop", danger, "danger", 0.8, Side.CENTER)
    yield Phrase("stop_left", danger, "danger", 0.8, Side.LEFT)
    yield Phrase("stop_right", danger, "danger", 0.8, Side.RIGHT)
    yield Phrase("drop", danger, "danger", 0.8)
    yield Phrase("clear_ahead", info, "chatty", 1.0)
    for side in SIDES:
        yield Phrase(f"head_{side}", danger, "danger", 1.0, side)
        yield Phrase(f"approaching_{side}", danger, "danger", 0.8, side)
        yield Phrase(f"step_{side}", warning, "normal", 1.0, side)
        yield Phrase(f"close_{side}", warning, "normal", 1.0, side)
        yield Phrase(f"near_{side}", info, "chatty", 1.0, side)
        yield Phrase(f"far_{side}", info, "chatty", 1.0, side)
    for key in _keys("unknown", Reason):
        yield Phrase(key, warning, "danger", 2.0)
    for key in _keys("state", ("battery_low", "hot", "slow", "memory_low", *State)):
        yield Phrase(key, info, "normal", 3.0)
    answers = [
        *_keys("control", "muted unmuted volume volume_limit nothing_to_repeat"),
        *_keys("control_verbosity", VERBOSITIES),
        *_keys("control_scheme", "pulse continuous scan quiet"),
    ]
    lasting = [
        *_keys("calibrate", "begin hold good poor failed"),
        *_keys("side", SIDES),
        *_keys("band", Band),
        *map(distance_key, DISTANCES_M),
        *_keys("ear", "begin sides distances heights dangers both listen turn press"),
        *_keys("ear", "again right wrong low body head of end"),
        *_keys("number", map(str, range(HIGHEST_NUMBER + 1))),
    ]
    # What the user asked for is said at any verbosity.
    yield from (Phrase(key, info, "danger", 2.0) for key in answers)
    yield from (Phrase(key, info, "danger", 6.0) for key in lasting)


def _keys(group: str, names: str | Iterable[str]) -> list[str]:
    return [f"{group}_{name}" for name in (names.split() if isinstance(names, str) else names)]


PHRASES = {phrase.key: phrase for phrase in _all()}


class Phrasing:
    """Chooses a phrase key, or none, for each scene.

    A topic (``close_left``, ``unknown_dark``) is said when it arises, not while it lasts. It is
    not said again within ``REPEAT_AFTER_S``, nor is a milder one of the same side: who has just
    heard "stop" need not hear "close".
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._said_t: dict[str, float] = {}
        self._side_said: dict[Side, str] = {}  # the newest phrase about each side
        self._topics: set[str] = set()
        self._was_unsure = False

    def choose(
        self, scene: Scene, lead: ZoneReading | None, unsure: bool, verbosity: Verbosity
    ) -> str | None:
        """The phrase for ``scene``, whose most urgent audible side is ``lead``."""
        wanted, t = None, scene.t
        topics = self._topics_of(scene, lead, unsure)
        settled = self._topics.intersection(topics)
        for key in sorted(topics, key=lambda topic: -PHRASES[topic].priority):
            if key in settled:
                continue
            if not self._may_say(key, t, verbosity):
                settled.add(key)  # it arose, and there was no need to say it
            elif wanted is None:
                wanted = key
                settled.add(key)
                self._said_t[key] = t
                if (side := PHRASES[key].side) is not None:
                    self._side_said[side] = key
        self._topics = settled  # what is missing here is new again at the next scene
        return wanted

    def _topics_of(self, scene: Scene, lead: ZoneReading | None, unsure: bool) -> list[str]:
        if scene.state not in (State.GUIDING, State.DEGRADED):
            return [f"state_{scene.state}"]
        topics = []
        if scene.drop_off and (scene.drop_off_distance_m or 0.0) <= DROP_SAID_M:
            topics.append("drop")
        if lead is not None:
            topics.append(_obstacle_key(lead))
        elif scene.center.band is Band.CLEAR and scene.state is State.GUIDING:
            topics.append("clear_ahead")
        if unsure:
            topics.append("state_degraded" if scene.reason is None else f"unknown_{scene.reason}")
        elif self._was_unsure or "state_guiding" in self._topics:
            topics.append("state_guiding")
        self._was_unsure = unsure
        return topics

    def _may_say(self, key: str, t: float, verbosity: Verbosity) -> bool:
        phrase = PHRASES[key]
        due = VERBOSITIES.index(phrase.verbosity) <= VERBOSITIES.index(verbosity)
        if not self._enabled or not due or self._is_recent(key, t):
            return False
        last = None if phrase.side is None else self._side_said.get(phrase.side)
        return last is None or _severity(key) > _severity(last) or not self._is_recent(last, t)

    def _is_recent(self, key: str, t: float) -> bool:
        return 0.0 <= t - self._said_t.get(key, -math.inf) < REPEAT_AFTER_S


def _severity(key: str) -> int:
    return _SEVERITIES.index(key.split("_")[0])


def _obstacle_key(zone: ZoneReading) -> str:
    if zone.band is Band.STOP:
        return "stop" if zone.side is Side.CENTER else f"stop_{zone.side}"
    if zone.height is Height.HEAD and zone.band in (Band.NEAR, Band.CLOSE):
        return f"head_{zone.side}"
    if zone.ttc_s is not None and zone.ttc_s <= COLLISION_S:
        return f"approaching_{zone.side}"
    if zone.height is Height.FLOOR and zone.band is Band.CLOSE:
        return f"step_{zone.side}"
    return f"{zone.band}_{zone.side}"


def describe(scene: Scene) -> str:
    """One English sentence: ``close on the left at 0.9 meters, clear ahead, near on the right``.

    A possible drop comes first, and why little is seen last.
    """
    if scene.state not in (State.GUIDING, State.DEGRADED):
        return f"sonar is {scene.state}"
    parts = []
    if scene.drop_off:
        at = scene.drop_off_distance_m
        parts.append("possible drop ahead" + ("" if at is None else f" at {at:.1f} meters"))
    bands = {zone.band for zone in scene.zones}
    if len(bands) == 1 and scene.left.band in _ALL_ALIKE:
        parts.append(_ALL_ALIKE[scene.left.band])
    else:
        parts += map(_zone, scene.zones)
    if scene.reason is not None:
        parts.append(_REASONS[scene.reason])
    return ", ".join(parts)


def _zone(zone: ZoneReading) -> str:
    said = f"{zone.band} {_WHERE[zone.side]}"
    if zone.band not in (Band.CLEAR, Band.UNKNOWN):
        if zone.distance_m is not None:
            said += f" at {zone.distance_m:.1f} meters"
        if zone.height is not None:
            said += _HEIGHTS.get(zone.height, "")
    return said


def describe_keys(scene: Scene) -> tuple[str, ...]:
    """The same as phrase keys, to be said one after the other from what is rendered ahead."""
    keys: list[str] = ["drop"] if scene.drop_off else []
    for zone in scene.zones:
        keys += [f"side_{zone.side}", f"band_{zone.band}"]
        if zone.distance_m is not None and zone.band not in (Band.CLEAR, Band.UNKNOWN):
            keys.append(distance_key(zone.distance_m))
    return tuple(keys)


def why_of(zone: ZoneReading) -> str:
    """The cause in words: ``close, left, 0.9 m, head, collision in 1.4 s``."""
    parts = [str(zone.band), str(zone.side)]
    if zone.distance_m is not None:
        parts.append(f"{zone.distance_m:.1f} m")
    if zone.height is not None and zone.height is not Height.BODY:
        parts.append(str(zone.height))
    if zone.ttc_s is not None:
        parts.append(f"collision in {zone.ttc_s:.1f} s")
    return ", ".join(parts)


def why_unknown(scene: Scene, blind: tuple[Side, ...]) -> str:
    """Why nothing is known, and of which sides (none or all: of the whole)."""
    where = "" if len(blind) in (0, len(SIDES)) else ", " + " and ".join(blind)
    return f"unknown, {scene.reason or 'no evidence'}{where}"


def why_silent(scene: Scene) -> str:
    """Clear, or which obstacles are there but have not changed."""
    seen = [zone for zone in scene.zones if zone.band is not Band.CLEAR]
    if not seen:
        return "clear"
    return "unchanged, " + "; ".join(why_of(zone) for zone in seen)
