"""Scene in, the one cue to be heard out.

The sound follows the most urgent side. Urgency grows with the band, within it with proximity,
and a time to collision can only raise it: walkers warned by time to collision bump into less
(Pundlik et al., JAMA Ophthalmology 2021), and a wall that one walks along needs no pulse.
Time is the scenes' own, so a recording sounds as the live run did.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from sonar.audio.earcons import REMINDER_RATE_HZ
from sonar.audio.phrases import Verbosity
from sonar.audio.phrasing import Phrasing
from sonar.audio.watch import SideWatch
from sonar.audio.why import why_of, why_silent, why_unknown
from sonar.config import AudioConfig, SpeechConfig
from sonar.types import (
    BANDS_BY_NEARNESS,
    SIDES,
    Band,
    Cue,
    CueKind,
    Height,
    Priority,
    Scene,
    Side,
    State,
    ZoneReading,
)

PAN = {Side.LEFT: -1.0, Side.CENTER: 0.0, Side.RIGHT: 1.0}
PITCH_HZ = {Height.FLOOR: 250.0, Height.BODY: 500.0, Height.HEAD: 1000.0}
STOP_PITCH_HZ = 800.0
TONE_LOWEST_HZ, TONE_HIGHEST_HZ = 220.0, 880.0  # of the continuous scheme, far to close

SLOWEST_HZ, FASTEST_HZ = 1.0, 8.0
BAND_RATES_HZ = {Band.FAR: (1.0, 1.8), Band.NEAR: (2.0, 3.6), Band.CLOSE: (4.0, 8.0)}
SOFTEST_DB = -10.0  # at the slowest rate; 0 dB at the fastest

TTC_FASTEST_S, TTC_SLOWEST_S = 1.0, 6.0
DROP_RATE_HZ = 1.2
DROP_NEAR_M = 2.5  # a drop farther off warns, it does not pre-empt

SETTLING_S = 0.4  # after "ready", which is heard meanwhile, zones may still be unknown
STATE_EARCON_S = 3.0  # "degraded" and "sees again" are not told oftener than this
Scheme = Literal["pulse", "continuous", "scan", "quiet"]
SCHEMES: tuple[Scheme, ...] = ("pulse", "continuous", "scan", "quiet")
_LEAD_BONUS = 1.15  # another side must be this much more urgent to take over
_LEAD_HELD_BONUS = 2.0  # and this much within _LEAD_HOLD_S of the last change
_LEAD_HOLD_S = 0.5
_STATE_EARCONS = {
    State.LOADING: ("loading", REMINDER_RATE_HZ, Priority.INFO),
    State.READY: ("ready", 0.0, Priority.INFO),
    State.STOPPED: ("stopped", 0.0, Priority.WARNING),
}


@dataclass(frozen=True, slots=True)
class Lead:
    """The side that is heard, and how fast its pulse would be."""

    zone: ZoneReading
    rate_hz: float

    @property
    def stop(self) -> bool:
        return self.zone.band is Band.STOP


def urgency_hz(zone: ZoneReading) -> float:
    """Pulses a second for a side, 1 (far) to 8 (close); 0 where nothing is known to be there.

    Each band has its own range of rates, so that steps are told apart; proximity moves within
    it. A time to collision raises the rate: 8 Hz at 1 s, 1 Hz at 6 s, geometrically between.
    """
    if zone.band is Band.STOP:
        return FASTEST_HZ
    if zone.band not in BAND_RATES_HZ:
        return 0.0
    slowest, fastest = BAND_RATES_HZ[zone.band]
    rate = min(max((FASTEST_HZ / SLOWEST_HZ) ** zone.proximity, slowest), fastest)
    if zone.ttc_s is not None:
        share = (TTC_SLOWEST_S - zone.ttc_s) / (TTC_SLOWEST_S - TTC_FASTEST_S)
        rate = max(rate, SLOWEST_HZ * (FASTEST_HZ / SLOWEST_HZ) ** min(max(share, 0.0), 1.0))
    return float(rate)


def level_db(rate_hz: float) -> float:
    """The more urgent, the louder: -10 dB at 1 Hz, 0 dB at 8 Hz and beyond."""
    share = (rate_hz - SLOWEST_HZ) / (FASTEST_HZ - SLOWEST_HZ)
    return SOFTEST_DB * (1.0 - min(max(share, 0.0), 1.0))


def _tone_hz(lead: Lead) -> float:
    """Two octaves, as even to the ear as the rates are: 220 Hz at 1 Hz, 880 Hz at 8 Hz."""
    share = math.log(lead.rate_hz / SLOWEST_HZ) / math.log(FASTEST_HZ / SLOWEST_HZ)
    return float(TONE_LOWEST_HZ * (TONE_HIGHEST_HZ / TONE_LOWEST_HZ) ** share)


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
        self._watches = {side: SideWatch(audio.early_silence_s) for side in SIDES}
        self._phrasing = Phrasing(speech)
        self.last_scene: Scene | None = None
        self.last_phrase: str | None = None
        self._lead: Side | None = None
        self._lead_since_t: float | None = None
        self._state: State | None = None
        self._settling_until_t = -math.inf
        self._reminded_t: float | None = None  # when "unknown" was last heard beside a pulse
        self._drop_told_t: float | None = None
        self._head_told: Side | None = None
        self._change_told_t: float | None = None

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
        audible = [
            Lead(zone, urgency_hz(zone))
            for zone in scene.zones
            if self._watches[zone.side].audible(zone, scene.t)
        ]
        lead = self._choose(audible, scene.t)
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
        if lead is not None and self.scheme in ("pulse", "continuous"):
            return self._pulse(scene, lead, bool(blind) or weak)
        if blind or weak:
            return self._unknown(scene, blind, before)
        self._reminded_t = None
        recovered = before is State.DEGRADED and self._tell_change(scene.t)
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
            earcon=self._riding(scene, lead, unsure),
            why=why_of(lead.zone),
        )

    def _pulse(self, scene: Scene, lead: Lead, unsure: bool) -> Cue:
        continuous = self.scheme == "continuous"
        return Cue(
            CueKind.CONTINUOUS if continuous else CueKind.PULSE,
            scene.frame_id,
            scene.t,
            pan=PAN[lead.zone.side],
            rate_hz=lead.rate_hz,
            pitch_hz=_tone_hz(lead) if continuous else PITCH_HZ[lead.zone.height or Height.BODY],
            level_db=level_db(lead.rate_hz),
            priority=Priority.WARNING,
            earcon=self._riding(scene, lead, unsure),
            why=why_of(lead.zone),
        )

    def _scan(self, scene: Scene, lead: Lead | None, unsure: bool) -> Cue:
        nearest = max(column.proximity for column in scene.profile)
        ridden = None
        if unsure or lead is not None:
            ridden = self._riding(scene, lead or Lead(scene.center, 0.0), unsure)
        return Cue(
            CueKind.SCAN,
            scene.frame_id,
            scene.t,
            priority=Priority.WARNING,
            earcon=ridden,
            why=f"scan, nearest {nearest:.2f}",
            columns=scene.profile,
        )

    def _drop(self, scene: Scene, near: bool) -> Cue:
        self._drop_told_t = scene.t
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
            scene.state is State.DEGRADED and before is State.GUIDING and self._tell_change(scene.t)
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

    def _riding(self, scene: Scene, lead: Lead, unsure: bool) -> str | None:
        """What is told once beside the tone: a drop, not knowing, an obstacle at head height."""
        if scene.drop_off and _due(self._drop_told_t, scene.t, 1.0 / DROP_RATE_HZ):
            self._drop_told_t = scene.t
            return "drop_off"
        if not unsure:
            self._reminded_t = None
        elif _due(self._reminded_t, scene.t, 1.0 / REMINDER_RATE_HZ):
            self._reminded_t = scene.t
            return "unknown"
        told, self._head_told = self._head_told, None
        if lead.zone.height is Height.HEAD:
            self._head_told = lead.zone.side
            if told is not lead.zone.side:
                return "head"
        return None

    def _tell_change(self, t: float) -> bool:
        if not _due(self._change_told_t, t, STATE_EARCON_S):
            return False
        self._change_told_t = t
        return True

    def _choose(self, audible: list[Lead], t: float) -> Lead | None:
        """The most urgent side; the one already heard keeps the lead when it is close.

        A side that took the lead keeps it for ``_LEAD_HOLD_S`` unless another is in a nearer band
        or far more urgent: sides whose urgency flickers must not throw the sound to and fro.
        Equals: the one already heard, else the center, else the left.
        """
        if not audible:
            self._lead = None
            return None
        fresh = self._lead_since_t is not None and 0.0 <= t - self._lead_since_t < _LEAD_HOLD_S
        nearest = max(BANDS_BY_NEARNESS.index(lead.zone.band) for lead in audible)

        def rank(lead: Lead) -> tuple[bool, float, bool, bool]:
            side, bonus = lead.zone.side, 1.0
            if side is self._lead:
                held = fresh and BANDS_BY_NEARNESS.index(lead.zone.band) == nearest
                bonus = _LEAD_HELD_BONUS if held else _LEAD_BONUS
            heard = side is self._lead
            return (lead.stop, lead.rate_hz * bonus, heard, side is Side.CENTER)

        best = max(audible, key=rank)
        if best.zone.side is not self._lead:
            self._lead, self._lead_since_t = best.zone.side, t
        return best

    def _state_cue(self, scene: Scene) -> Cue:
        self._lead = None
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
