"""Scene in, the one cue to be heard out.

The sound follows the most urgent side (:mod:`sonar.audio.cues.urgency`). Time is the scenes' own,
so a recording sounds as the live run did.
"""

import math
from dataclasses import replace
from typing import Literal

from sonar.audio.cues.phrases import Phrasing, Verbosity, why_of, why_silent, why_unknown
from sonar.audio.cues.urgency import FASTEST_HZ, Lead, LeadChooser, SideWatch, gain_db, tone_hz
from sonar.config import AudioConfig, SpeechConfig
from sonar.types import SIDES, Band, Cue, CueKind, Height, Priority, Scene, Side, State

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


class PulseMapper:
    """Decides what is heard: :class:`sonar.ports.CueMapper`.

    A scene and what came before it determine the cue; there is no clock and no chance in it.
    Make a new one for each run.

    Attributes:
        scheme, verbosity: may be changed while running.
        last_scene: the newest scene, None before the first.
        last_phrase: the newest phrase that was asked for, None before the first.
    """

    def __init__(self, audio: AudioConfig, speech: SpeechConfig) -> None:
        self.scheme: Scheme = audio.scheme
        self.verbosity: Verbosity = speech.verbosity
        self._watches = {side: SideWatch() for side in SIDES}
        self._phrasing = Phrasing(speech.enabled)
        self.last_scene: Scene | None = None
        self.last_phrase: str | None = None
        self._leads = LeadChooser()
        self._before: State | None = None
        self._state: State | None = None
        self._settling_until_t = -math.inf
        self._reminded_t = -math.inf  # when "unknown" was last heard beside a pulse
        self._drop_heard_t = self._change_heard_t = -math.inf
        self._head_heard: Side | None = None

    def update(self, scene: Scene) -> Cue:
        """The cue for ``scene``; scenes come in the order of their time."""
        zones, t = scene.zones, scene.t
        self._before, self._state = self._state, scene.state
        weak = scene.state is State.DEGRADED
        guiding = weak or scene.state is State.GUIDING
        if guiding and self._before is State.READY:
            self._settling_until_t = t + SETTLING_S
        settling = not weak and t < self._settling_until_t
        blind = tuple(zone.side for zone in zones if zone.band is Band.UNKNOWN and not settling)
        unsure = bool(blind) or weak
        audible = {one.side for one in zones if guiding and self._watches[one.side].audible(one, t)}
        lead = self._leads.choose(zones, audible, t)
        cue = self._sound(scene, lead, blind, unsure) if guiding else self._state_cue(scene)
        zone = lead.zone if lead else None
        phrase = self._phrasing.choose(scene, zone, unsure, self.verbosity)
        self.last_scene, self.last_phrase = scene, phrase or self.last_phrase
        return replace(cue, frame_id=scene.frame_id, t=t, phrase=phrase)

    def _sound(self, scene: Scene, lead: Lead | None, blind: tuple[Side, ...], unsure: bool) -> Cue:
        if lead is not None and lead.stop:
            return self._tone(scene, lead, unsure)
        distance_m = scene.drop_off_distance_m
        near = distance_m is None or distance_m <= DROP_NEAR_M
        if scene.drop_off and (near or lead is None or lead.rate_hz < FASTEST_HZ / 2):
            return self._drop(scene, near)
        if self.scheme == "scan" and any(column.proximity for column in scene.profile):
            return self._scan(scene, lead, unsure)
        if lead is not None and self.scheme != "quiet":
            return self._tone(scene, lead, unsure)
        if unsure:
            return self._unknown(scene, blind)
        self._reminded_t = -math.inf
        recovered = self._before is State.DEGRADED and self._may_announce(scene.t)
        earcon = "guiding" if recovered else None
        return Cue(CueKind.SILENCE, earcon=earcon, why=why_silent(scene))

    def _tone(self, scene: Scene, lead: Lead, unsure: bool) -> Cue:
        if lead.stop:
            rate_hz, pitch_hz = 0.0, STOP_PITCH_HZ
        elif self.scheme == "continuous":
            rate_hz, pitch_hz = lead.rate_hz, tone_hz(lead.rate_hz)
        else:
            rate_hz, pitch_hz = lead.rate_hz, PITCH_HZ[lead.zone.height or Height.BODY]
        steady = lead.stop or self.scheme == "continuous"
        return Cue(
            CueKind.CONTINUOUS if steady else CueKind.PULSE,
            pan=PAN[lead.zone.side],
            rate_hz=rate_hz,
            pitch_hz=pitch_hz,
            level_db=0.0 if lead.stop else gain_db(lead.rate_hz),
            priority=Priority.DANGER if lead.stop else Priority.WARNING,
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
            priority=Priority.WARNING,
            earcon=beside,
            why=f"scan, nearest {nearest:.2f}",
            columns=scene.profile,
        )

    def _drop(self, scene: Scene, near: bool) -> Cue:
        self._drop_heard_t = scene.t
        distance_m = scene.drop_off_distance_m
        return Cue(
            CueKind.EARCON,
            rate_hz=DROP_RATE_HZ,
            priority=Priority.DANGER if near else Priority.WARNING,
            earcon="drop_off",
            why="possible drop, ahead" + ("" if distance_m is None else f", {distance_m:.1f} m"),
        )

    def _unknown(self, scene: Scene, blind: tuple[Side, ...]) -> Cue:
        """Heard from the sides that are not seen; from the middle when all or none are."""
        self._reminded_t = scene.t
        newly = scene.state is State.DEGRADED and self._before is State.GUIDING
        newly = newly and self._may_announce(scene.t)
        return Cue(
            CueKind.EARCON,
            pan=sum(PAN[side] for side in blind) / max(1, len(blind)),
            rate_hz=0.0 if newly else REMINDER_RATE_HZ,
            priority=Priority.WARNING,
            earcon="degraded" if newly else "unknown",
            why=why_unknown(scene, blind),
        )

    def _beside(self, scene: Scene, lead: Lead, unsure: bool) -> str | None:
        """The earcon beside the tone, once: a drop, unknown sides, an obstacle at head height."""
        if scene.drop_off and scene.t - self._drop_heard_t >= 1.0 / DROP_RATE_HZ:
            self._drop_heard_t = scene.t
            return "drop_off"
        if not unsure:
            self._reminded_t = -math.inf
        elif scene.t - self._reminded_t >= 1.0 / REMINDER_RATE_HZ:
            self._reminded_t = scene.t
            return "unknown"
        heard, self._head_heard = self._head_heard, None
        if lead.zone.height is Height.HEAD:
            self._head_heard = lead.zone.side
        return "head" if self._head_heard not in (None, heard) else None

    def _may_announce(self, t: float) -> bool:
        due = t - self._change_heard_t >= STATE_EARCON_S
        self._change_heard_t = t if due else self._change_heard_t
        return due

    def _state_cue(self, scene: Scene) -> Cue:
        return Cue(
            CueKind.EARCON,
            rate_hz=REMINDER_RATE_HZ if scene.state is State.LOADING else 0.0,
            priority=Priority.WARNING if scene.state is State.STOPPED else Priority.INFO,
            earcon=str(scene.state),
            why=str(scene.state),
        )
