"""Scene in, the one cue to be heard out.

The sound follows the most urgent side (:mod:`sonar.audio.cues.urgency`).
Time is the scenes' own, so
a recording sounds as the live run did.
"""

import math
from dataclasses import replace
from typing import Literal

from sonar.audio.cues.describe import why_of, why_silent, why_unknown
from sonar.audio.cues.phrases import Verbosity
from sonar.audio.cues.phrasing import Phrasing
from sonar.audio.cues.urgency import FASTEST_HZ, Lead, LeadChooser, gain_db, tone_hz
from sonar.audio.cues.watch import SideWatch
from sonar.config import AudioConfig, SpeechConfig
from sonar.types import (
    SIDES,
    Band,
    Cue,
    CueKind,
    Height,
    Priority,
    Scene,
    Side,
    State,
)

PAN = {Side.LEFT: -1.0, Side.CENTER: 0.0, Side.RIGHT: 1.0}
PITCH_HZ = {Height.FLOOR: 250.0, Height.BODY: 500.0, Height.HEAD: 1000.0}
STOP_PITCH_HZ = 800.0

REMINDER_RATE_HZ = 0.5  # how often a state that lasts (unknown, loading) is heard again
DROP_RATE_HZ = 1.2
DROP_NEAR_M = 2.5  # a drop farther off warns, it does not pre-empt

SETTLING_S = 0.4  # after "ready", which is heard meanwhile, zones may still be unknown
STATE_EARCON_S = 3.0  # "degraded" and "sees again" are heard at most once in this time
Scheme = Literal["pulse", "continuous", "scan", "quiet"]
SCHEMES: tuple[Scheme, ...] = ("pulse", "continuous", "scan", "quiet")
_STATE_EARCONS = {
    State.LOADING: ("loading", REMINDER_RATE_HZ, Priority.INFO),
    State.READY: ("ready", 0.0, Priority.INFO),
    State.STOPPED: ("stopped", 0.0, Priority.WARNING),
}


class PulseMapper:
    """Decides what is heard: :class:`sonar.ports.CueMapper`.

    A scene and what came before it determine the cue; there is no clock and no chance in it.
    Make a new one for each run.

    Attributes:
        scheme: may be changed while running.
        last_scene: the newest scene, None before the first.
        last_phrase: the newest phrase that was asked for, None before the first.
    """

    def __init__(self, audio: AudioConfig, speech: SpeechConfig) -> None:
        self.scheme: Scheme = audio.scheme
        self._watches = {side: SideWatch() for side in SIDES}
        self._phrasing = Phrasing(speech)
        self.last_scene: Scene | None = None
        self.last_phrase: str | None = None
        self._leads = LeadChooser()
        self._state: State | None = None
        self._settling_until_t = -math.inf
        self._reminded_t: float | None = None  # when "unknown" was last heard beside a pulse
        self._drop_heard_t: float | None = None
        self._head_heard: Side | None = None
        self._change_heard_t: float | None = None

    def update(self, scene: Scene) -> Cue:
        """The cue for ``scene``; scenes come in the order of their time."""
        cue = self._update(scene)
        self.last_scene = scene
        self.last_phrase = cue.phrase or self.last_phrase
        return cue

    @property
    def verbosity(self) -> Verbosity:
        """How much is said; may be changed while running."""
        return self._phrasing.verbosity

    @verbosity.setter
    def verbosity(self, value: Verbosity) -> None:
        self._phrasing.verbosity = value

    def _update(self, scene: Scene) -> Cue:
        before, self._state = self._state, scene.state
        if scene.state in _STATE_EARCONS:
            return self._state_cue(scene)
        audible = {
            zone.side for zone in scene.zones if self._watches[zone.side].audible(zone, scene.t)
        }
        lead = self._leads.choose(scene.zones, audible, scene.t)
        if before is State.READY:
            self._settling_until_t = scene.t + SETTLING_S
        weak = scene.state is State.DEGRADED
        settling = not weak and scene.t < self._settling_until_t
        blind = tuple(
            zone.side for zone in scene.zones if zone.band is Band.UNKNOWN and not settling
        )
        cue = self._sound(scene, lead, blind, weak, before)
        phrase = self._phrasing.choose(scene, lead.zone if lead else None, bool(blind) or weak)
        return _with_phrase(cue, phrase)

    def _sound(
        self,
        scene: Scene,
        lead: Lead | None,
        blind: tuple[Side, ...],
        weak: bool,
        before: State | None,
    ) -> Cue:
        drop = _is_drop_near(scene)
        if lead is not None and lead.stop:
            return self._stop(scene, lead, bool(blind) or weak)
        if scene.drop_off and (drop or lead is None or lead.rate_hz < FASTEST_HZ / 2):
            return self._drop(scene, drop)
        if self.scheme == "scan" and any(column.proximity for column in scene.profile):
            return self._scan(scene, lead, bool(blind) or weak)
        if lead is not None and self.scheme != "quiet":
            return self._pulse(scene, lead, bool(blind) or weak)
        if blind or weak:
            return self._unknown(scene, blind, before)
        self._reminded_t = None
        recovered = before is State.DEGRADED and self._may_announce(scene.t)
        return Cue(
            CueKind.SILENCE,
            scene.frame_id,
            scene.t,
            earcon="guiding" if recovered else None,
            why=why_silent(scene),
        )

    def _stop(self, scene: Scene, lead: Lead, unsure: bool) -> Cue:
        return Cue(
            CueKind.CONTINUOUS,
            scene.frame_id,
            scene.t,
            pan=PAN[lead.zone.side],
            pitch_hz=STOP_PITCH_HZ,
            priority=Priority.DANGER,
            earcon=self._beside(scene, lead, unsure),
            why=why_of(lead.zone),
        )

    def _pulse(self, scene: Scene, lead: Lead, unsure: bool) -> Cue:
        continuous = self.scheme == "continuous"
        height = lead.zone.height or Height.BODY
        return Cue(
            CueKind.CONTINUOUS if continuous else CueKind.PULSE,
            scene.frame_id,
            scene.t,
            pan=PAN[lead.zone.side],
            rate_hz=lead.rate_hz,
            pitch_hz=tone_hz(lead.rate_hz) if continuous else PITCH_HZ[height],
            level_db=gain_db(lead.rate_hz),
            priority=Priority.WARNING,
            earcon=self._beside(scene, lead, unsure),
            why=why_of(lead.zone),
        )

    def _scan(self, scene: Scene, lead: Lead | None, unsure: bool) -> Cue:
        nearest = max(column.proximity for column in scene.profile)
        beside = None
        if unsure or lead is not None:
            beside = self._beside(scene, lead or Lead(scene.center, 0.0), unsure)
        return Cue(
            CueKind.SCAN,
            scene.frame_id,
            scene.t,
            priority=Priority.WARNING,
            earcon=beside,
            why=f"scan, nearest {nearest:.2f}",
            columns=scene.profile,
        )

    def _drop(self, scene: Scene, near: bool) -> Cue:
        self._drop_heard_t = scene.t
        distance = scene.drop_off_distance_m
        far_off = "" if distance is None else f", {distance:.1f} m"
        return Cue(
            CueKind.EARCON,
            scene.frame_id,
            scene.t,
            rate_hz=DROP_RATE_HZ,
            priority=Priority.DANGER if near else Priority.WARNING,
            earcon="drop_off",
            why=f"possible drop, ahead{far_off}",
        )

    def _unknown(self, scene: Scene, blind: tuple[Side, ...], before: State | None) -> Cue:
        """Heard from the sides that are not seen; from the middle when all or none are."""
        pan = sum(PAN[side] for side in blind) / len(blind) if blind else 0.0
        self._reminded_t = scene.t
        newly = (
            scene.state is State.DEGRADED
            and before is State.GUIDING
            and self._may_announce(scene.t)
        )
        return Cue(
            CueKind.EARCON,
            scene.frame_id,
            scene.t,
            pan=pan,
            rate_hz=0.0 if newly else REMINDER_RATE_HZ,
            priority=Priority.WARNING,
            earcon="degraded" if newly else "unknown",
            why=why_unknown(scene, blind),
        )

    def _beside(self, scene: Scene, lead: Lead, unsure: bool) -> str | None:
        """The earcon beside the tone, once: a drop, unknown sides, an obstacle at head height."""
        if scene.drop_off and _due(self._drop_heard_t, scene.t, 1.0 / DROP_RATE_HZ):
            self._drop_heard_t = scene.t
            return "drop_off"
        if not unsure:
            self._reminded_t = None
        elif _due(self._reminded_t, scene.t, 1.0 / REMINDER_RATE_HZ):
            self._reminded_t = scene.t
            return "unknown"
        heard, self._head_heard = self._head_heard, None
        if lead.zone.height is Height.HEAD:
            self._head_heard = lead.zone.side
            if heard is not lead.zone.side:
                return "head"
        return None

    def _may_announce(self, t: float) -> bool:
        if not _due(self._change_heard_t, t, STATE_EARCON_S):
            return False
        self._change_heard_t = t
        return True

    def _state_cue(self, scene: Scene) -> Cue:
        self._leads.forget()
        earcon, rate_hz, priority = _STATE_EARCONS[scene.state]
        cue = Cue(
            CueKind.EARCON,
            scene.frame_id,
            scene.t,
            rate_hz=rate_hz,
            priority=priority,
            earcon=earcon,
            why=str(scene.state),
        )
        return _with_phrase(cue, self._phrasing.state(f"state_{scene.state}", scene.t))


def _is_drop_near(scene: Scene) -> bool:
    distance = scene.drop_off_distance_m
    return bool(scene.drop_off) and (distance is None or distance <= DROP_NEAR_M)


def _due(last_t: float | None, t: float, period_s: float) -> bool:
    return last_t is None or t - last_t >= period_s


def _with_phrase(cue: Cue, phrase: str | None) -> Cue:
    return cue if phrase is None else replace(cue, phrase=phrase)
