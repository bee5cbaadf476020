"""What is said when: only what is new, the most important first, nothing over and over."""

from sonar.audio.cues.phrases import PHRASES, VERBOSITIES, Verbosity
from sonar.config import SpeechConfig
from sonar.types import Band, Height, Reason, Scene, Side, State, ZoneReading

COLLISION_S = 2.0  # said when a collision is nearer than this
DROP_SAID_M = 4.0
REPEAT_AFTER_S = 6.0  # the same phrase is not spoken again sooner

_SEVERITY = {"far": 0, "near": 1, "close": 2, "step": 3, "approaching": 4, "head": 5, "stop": 6}


class Phrasing:
    """Chooses a phrase key, or none, for each scene.

    A topic (``close_left``, ``unknown_dark``) is said when it arises, not while it lasts. It is
    not said again within ``REPEAT_AFTER_S``, nor is a milder one of the same side: who has just
    heard "stop" need not hear "close".
    """

    def __init__(self, speech: SpeechConfig) -> None:
        self._enabled = speech.enabled
        self.verbosity: Verbosity = speech.verbosity
        self._said_t: dict[str, float] = {}
        self._side_said: dict[Side, tuple[int, float]] = {}
        self._topics: set[str] = set()
        self._was_unsure = False

    def choose(self, scene: Scene, lead: ZoneReading | None, unsure: bool) -> str | None:
        """The phrase for ``scene``, whose most urgent audible side is ``lead``."""
        topics = self._topics_of(scene, lead, unsure)
        self._was_unsure = unsure
        wanted = None
        settled = self._topics.intersection(topics)
        for key, side in sorted(topics.items(), key=lambda topic: -PHRASES[topic[0]].priority):
            if key in settled:
                continue
            if not self._may_say(key, side, scene.t):
                settled.add(key)  # it arose, and there was no need to say it
            elif wanted is None:
                wanted = key
                settled.add(key)
                self._note(key, side, scene.t)
        self._topics = settled  # what is missing here is new again at the next scene
        return wanted

    def state(self, key: str, t: float) -> str | None:
        """A phrase of a new state, once while it lasts."""
        before, self._topics = self._topics, {key}
        if key in before or not self._may_say(key, None, t):
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

    def _may_say(self, key: str, side: Side | None, t: float) -> bool:
        verbosity = PHRASES[key].verbosity
        if not self._enabled or VERBOSITIES.index(verbosity) > VERBOSITIES.index(self.verbosity):
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
