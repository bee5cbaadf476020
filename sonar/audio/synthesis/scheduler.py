"""The cue scheduler: which sound starts, which one ends, what is played once.

Cues come from another thread; the renderer asks once a quantum. What is stale, muted, or must be
heard although its cue was replaced before the next block is decided here, in samples since the
start.
"""

from collections import deque
from typing import NamedTuple

from sonar.audio.cues import PHRASES, REMINDER_RATE_HZ
from sonar.audio.synthesis.earcons import EarconTrack
from sonar.audio.synthesis.panning import Panning
from sonar.audio.synthesis.speech_track import SpeechTrack
from sonar.audio.synthesis.tracks import PulseTrack, ScanTrack, ToneTrack
from sonar.audio.synthesis.waves import Samples
from sonar.config import AudioConfig
from sonar.ports import Speaker
from sonar.types import Cue, CueKind, Priority

SILENCE = Cue(CueKind.SILENCE)
_STALE = Cue(
    CueKind.EARCON,
    rate_hz=REMINDER_RATE_HZ,
    earcon="unknown",
    priority=Priority.WARNING,
    phrase="unknown_stale",
    why="unknown, no cue from the pipeline",
)

_WAITING_CUES = 64  # between two blocks; far more than a camera brings
_FRESH_S = 0.5
_DANGER_HOLD_S = 0.15  # a danger of a single frame is still heard
_MUTED_EVERY_S = 10.0
_HEARD_MUTED = ("unknown", "degraded", "drop_off", "stopped")


class Onset(NamedTuple):
    """When a cue became sound: the first sample that carries it, its source time in seconds."""

    sample: int
    t: float
    frame_id: int


class CueScheduler:
    """Base of the mixer: sets the tracks as the newest cues ask for, and adds their sound."""

    def __init__(
        self, audio: AudioConfig, speaker: Speaker | None, max_duty: float, stale_s: float
    ) -> None:
        self.rate_hz: int = audio.rate_hz
        rate_hz, panning = audio.rate_hz, Panning(audio)
        # posted and announced and not taken yet; any thread appends
        self._cues: deque[Cue] = deque(maxlen=_WAITING_CUES)
        self._announced: deque[tuple[str | None, tuple[str, ...]]] = deque(maxlen=_WAITING_CUES)
        self.onsets: deque[Onset] = deque(maxlen=1024)
        self._speech = SpeechTrack(speaker, rate_hz, panning)
        self._pulses = PulseTrack(audio, panning, max_duty)
        self._earcons = EarconTrack(rate_hz, panning)
        self._tone = ToneTrack(rate_hz, panning, max_duty)
        self._scan = ScanTrack(rate_hz, panning)
        self._stale_samples = round(stale_s * rate_hz)
        self.muted = self._was_muted = False
        self._muted_at = 0
        self._newest_t: float | None = None  # source time of the newest cue
        self._posted = self._heard = SILENCE
        self._deferred: Cue | None = None  # waits for a danger to have been heard
        self._hold_until = 0
        self._cue_at: int | None = None  # of the newest cue; None: none is expected
        self._is_stale = False

    @property
    def busy(self) -> bool:
        """A one-shot earcon or a phrase is sounding or waiting."""
        return bool(self._cues or self._announced) or self._earcons.busy or self._speech.busy

    def _add_tones(self, bus: Samples, position: int) -> bool:
        """A quantum of all but speech into ``bus``; whether there was anything to add."""
        sounded = self._tone.add(bus, position)
        sounded |= self._scan.add(bus, position)
        sounded |= self._earcons.add(bus, position)
        return sounded | self._pulses.add(bus, position, not_before=self._earcons.ends_at)

    def _take(self, position: int) -> None:
        """Everything that came since the last quantum, and what is known without a cue."""
        while self._announced:
            self._announce(*self._announced.popleft(), position)
        if self._cues:
            self._take_cues(position)
        elif self._is_late(position) and not self._is_stale:
            self._is_stale, self._deferred = True, None
            self._once(_STALE, position)
            self._change(_STALE, position)
        self._watch_mute(position)
        waits = self._deferred
        if waits is not None and (
            waits.priority is Priority.DANGER or position >= self._hold_until
        ):
            self._deferred = None
            self._change(waits, position)
        self._speech.step(position, self._newest_t)

    def _take_cues(self, position: int) -> None:
        newest, danger = self._cues[-1], None
        if newest.frame_id >= 0:
            self._newest_t = newest.t
        while self._cues:
            newest = self._cues.popleft()
            fresh = self._is_fresh(newest)
            self._once(newest, position, fresh)
            if newest.priority is Priority.DANGER and fresh:
                danger = newest
        # Loading may take long and a stopped system brings no cues: both are heard as such.
        waiting = newest.earcon in ("loading", "stopped") and newest.kind is CueKind.EARCON
        self._cue_at = None if waiting else position
        self._is_stale = False
        if danger is not None:
            self._hold_until = position + round(_DANGER_HOLD_S * self.rate_hz)
            if newest is not danger:
                self._change(danger, position)
        self._deferred = newest

    def _is_late(self, position: int) -> bool:
        return self._cue_at is not None and position - self._cue_at > self._stale_samples

    def _watch_mute(self, position: int) -> None:
        if self.muted is not self._was_muted:
            self._was_muted, self._muted_at = self.muted, position
            if self._deferred is None:
                self._deferred = self._posted
        if self.muted and position - self._muted_at >= _MUTED_EVERY_S * self.rate_hz:
            self._muted_at = position
            self._earcons.play("muted", 0.0, 0.0, position)

    def _is_fresh(self, cue: Cue) -> bool:
        """False for a cue that was not rendered in time (the device was lost): it is not played."""
        if cue.frame_id < 0 or self._newest_t is None:
            return True
        return self._newest_t - cue.t <= _FRESH_S

    def _once(self, cue: Cue, position: int, fresh: bool = True) -> None:
        """Play what a cue brings only once: an earcon beside a tone, a phrase."""
        before, self._posted = self._posted, cue
        silenced = self._is_silenced(cue)
        if not fresh or (silenced and cue.earcon not in _HEARD_MUTED):
            return
        repeated = cue.kind is CueKind.EARCON and cue.rate_hz > 0.0 and not silenced
        if cue.earcon is not None and cue.earcon != before.earcon and not repeated:
            # an earcon beside a tone is about the tone's obstacle only if that is at head height
            own = cue.kind is CueKind.EARCON or cue.earcon == "head"
            pan, gain_db = (cue.pan, cue.level_db) if own else (0.0, 0.0)
            self._earcons.play(cue.earcon, pan, gain_db, position)
        if cue.phrase is not None:
            cause_t = cue.t if cue.frame_id >= 0 else None
            self._speech.say((cue.phrase,), PHRASES[cue.phrase].priority, position, cause_t)

    def _is_silenced(self, cue: Cue) -> bool:
        return self.muted and cue.priority is not Priority.DANGER

    def _announce(self, earcon: str | None, keys: tuple[str, ...], position: int) -> None:
        if earcon is not None:
            self._earcons.play(earcon, 0.0, 0.0, position)
        if keys:
            first = PHRASES[keys[0]]
            priority = min(first.priority, Priority.INFO) if len(keys) > 1 else first.priority
            self._speech.say(keys, priority, position)

    def _change(self, cue: Cue, position: int) -> None:
        """From this quantum on, sound like ``cue``."""
        if self._is_silenced(cue):
            cue = SILENCE
        if _sound_of(cue) != _sound_of(self._heard) or cue.phrase is not None:
            self.onsets.append(Onset(position, cue.t, cue.frame_id))
        if cue.kind is CueKind.CONTINUOUS and cue.priority is Priority.DANGER:
            self._earcons.give_way(Priority.DANGER)
        self._tone.set(cue if cue.kind is CueKind.CONTINUOUS else None, position)
        self._pulses.set(cue if cue.kind is CueKind.PULSE else None)
        self._scan.set(cue if cue.kind is CueKind.SCAN else None, position)
        self._earcons.repeat(cue if cue.kind is CueKind.EARCON else None)
        self._heard = cue


def _sound_of(cue: Cue) -> tuple[object, ...]:
    return (cue.kind, cue.pan, cue.rate_hz, cue.pitch_hz, cue.level_db, cue.earcon)
