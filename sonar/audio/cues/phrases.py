"""Every phrase sonar can say, the one list that catalogues, mapper and mixer share; and when.

A catalogue (``catalogues/*.yaml``) gives each key its words; a key that is not here is never
said, and a key that a catalogue lacks is an error there. At the default rate none may last
longer than :data:`LONGEST_S` once rendered.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from sonar.types import SIDES, Band, Height, Priority, Reason, Scene, Side, State, ZoneReading

LONGEST_S = 1.2  # seconds; longer than that, and the walker is past it
HIGHEST_NUMBER = 20
DISTANCES_M: tuple[float, ...] = tuple(step / 2 for step in range(1, 13))  # 0.5 .. 6.0
COLLISION_S = 2.0  # said when a collision is nearer than this
DROP_SAID_M = 4.0
REPEAT_AFTER_S = 6.0  # the same phrase is not spoken again sooner

_SEVERITY = {"far": 0, "near": 1, "close": 2, "step": 3, "approaching": 4, "head": 5, "stop": 6}

Verbosity = Literal["danger", "normal", "chatty"]
VERBOSITIES: tuple[Verbosity, ...] = ("danger", "normal", "chatty")


@dataclass(frozen=True, slots=True)
class Phrase:
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
    yield Phrase("stop", danger, "danger", 0.8)
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
    for reason in Reason:
        yield Phrase(f"unknown_{reason}", warning, "danger", 2.0)
    for state in ("battery_low", "hot", "slow", "memory_low", *State):
        yield Phrase(f"state_{state}", info, "normal", 3.0)
    # What the user asked for is said at any verbosity.
    for key in _keys("control", "muted unmuted volume volume_limit nothing_to_repeat"):
        yield Phrase(key, info, "danger", 2.0)
    for key in _keys("control_verbosity", "danger normal chatty"):
        yield Phrase(key, info, "danger", 2.0)
    for key in _keys("control_scheme", "pulse continuous scan quiet"):
        yield Phrase(key, info, "danger", 2.0)
    lasting = [
        *_keys("calibrate", "begin hold good poor failed"),
        *_keys("side", SIDES),
        *_keys("band", Band),
        *map(distance_key, DISTANCES_M),
        *_keys("ear", "begin sides distances heights dangers both listen turn press again right"),
        *_keys("ear", "wrong low body head of end"),
        *_keys("number", map(str, range(HIGHEST_NUMBER + 1))),
    ]
    for key in lasting:
        yield Phrase(key, info, "danger", 6.0)


def _keys(group: str, names: str | Iterable[str]) -> list[str]:
    listed = names.split() if isinstance(names, str) else names
    return [f"{group}_{name}" for name in listed]


PHRASES: Mapping[str, Phrase] = MappingProxyType({phrase.key: phrase for phrase in _all()})


class Phrasing:
    """Chooses a phrase key, or none, for each scene.

    A topic (``close_left``, ``unknown_dark``) is said when it arises, not while it lasts. It is
    not said again within ``REPEAT_AFTER_S``, nor is a milder one of the same side: who has just
    heard "stop" need not hear "close".
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._said_t: dict[str, float] = {}
        self._side_said: dict[Side, tuple[int, float]] = {}
        self._topics: set[str] = set()
        self._was_unsure = False

    def choose(
        self, scene: Scene, lead: ZoneReading | None, unsure: bool, verbosity: Verbosity
    ) -> str | None:
        """The phrase for ``scene``, whose most urgent audible side is ``lead``."""
        topics = self._topics_of(scene, lead, unsure)
        self._was_unsure = unsure
        wanted = None
        settled = self._topics.intersection(topics)
        for key, side in sorted(topics.items(), key=lambda topic: -PHRASES[topic[0]].priority):
            if key in settled:
                continue
            if not self._may_say(key, side, scene.t, verbosity):
                settled.add(key)  # it arose, and there was no need to say it
            elif wanted is None:
                wanted = key
                settled.add(key)
                self._note(key, side, scene.t)
        self._topics = settled  # what is missing here is new again at the next scene
        return wanted

    def state(self, key: str, t: float, verbosity: Verbosity) -> str | None:
        """A phrase of a new state, once while it lasts."""
        before, self._topics = self._topics, {key}
        if key in before or not self._may_say(key, None, t, verbosity):
            return None
        self._note(key, None, t)
        return key

    def _topics_of(
        self, scene: Scene, lead: ZoneReading | None, unsure: bool
    ) -> dict[str, Side | None]:
        topics: dict[str, Side | None] = {}
        if scene.drop_off and (scene.drop_off_distance_m or 0.0) <= DROP_SAID_M:
            topics["drop"] = None
        if lead is not None:
            topics[_obstacle_key(lead)] = lead.side
        elif scene.center.band is Band.CLEAR and scene.state is State.GUIDING:
            topics["clear_ahead"] = None
        if unsure:
            topics[_unknown_key(scene.reason)] = None
        elif self._was_unsure or "state_guiding" in self._topics:
            topics["state_guiding"] = None
        return topics

    def _may_say(self, key: str, side: Side | None, t: float, verbosity: Verbosity) -> bool:
        least = VERBOSITIES.index(PHRASES[key].verbosity)
        if not self._enabled or least > VERBOSITIES.index(verbosity):
            return False
        if self._recent(self._said_t.get(key), t):
            return False
        if side is None or side not in self._side_said:
            return True
        severity, said_t = self._side_said[side]
        return _severity(key) > severity or not self._recent(said_t, t)

    def _recent(self, said_t: float | None, t: float) -> bool:
        return said_t is not None and 0.0 <= t - said_t < REPEAT_AFTER_S

    def _note(self, key: str, side: Side | None, t: float) -> None:
        self._said_t[key] = t
        if side is not None:
            self._side_said[side] = (_severity(key), t)


def _severity(key: str) -> int:
    return _SEVERITY.get(key.split("_")[0], -1)


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


def _unknown_key(reason: Reason | None) -> str:
    return "state_degraded" if reason is None else f"unknown_{reason}"
