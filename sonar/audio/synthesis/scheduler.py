"""The cue scheduler: which sound starts, which one ends, what is played once.

Cues come from another thread; the renderer asks once a quantum. What is stale, muted, or must be
heard although its cue was replaced before the next block is decided here, in samples since the
start.
"""

from collections import deque

import numpy as np

from sonar.audio.cues import PHRASES, REMINDER_RATE_HZ
from sonar.audio.synthesis.earcons import EARCONS
from sonar.audio.synthesis.gated_tone import GatedTone
from sonar.audio.synthesis.panning import Panning
from sonar.audio.synthesis.primitives import db_to_gain
from sonar.audio.synthesis.scan import ScanTrack
from sonar.audio.synthesis.speech_track import SpeechTrack
from sonar.audio.synthesis.tracks import EarconTrack, PulseTrack
from sonar.types import Cue, CueKind, Priority

SILENCE = Cue(CueKind.SILENCE)
STALE = Cue(
    CueKind.EARCON,
    rate_hz=REMINDER_RATE_HZ,
    earcon="unknown",
    priority=Priority.WARNING,
    phrase="unknown_stale",
    why="unknown, no news from the pipeline",
)

_ONSETS = 1024
_WAITING_CUES = 64  # between two blocks; far more than a camera brings
_FRESH_S = 0.5
_DANGER_HOLD_S = 0.15  # a danger of a single frame is still heard
_MUTED_EVERY_S = 10.0
_HEARD_MUTED = ("unknown", "degraded", "drop_off", "stopped")


class OnsetLog:
    """When cues became sound: the last 1024, written by the renderer, read by the sink.

    Attributes:
        count: how many were written in all; entry ``i`` lies at ``i % 1024``.
        sample: int64, index of the first sample that carries the cue.
        t: float64, the cue's source time in seconds.
        frame_id: int64.
    """

    def __init__(self) -> None:
        self.count = 0
        self.sample = np.zeros(_ONSETS, np.int64)
        self.t = np.zeros(_ONSETS)
        self.frame_id = np.full(_ONSETS, -1, np.int64)

    def add(self, sample: int, cue: Cue) -> None:
        """Note one; the oldest is forgotten."""
        slot = self.count % _ONSETS
        self.sample[slot], self.t[slot], self.frame_id[slot] = sample, cue.t, cue.frame_id
        self.count += 1


class CueScheduler:
    """Sets the tracks as the newest cues ask for.

    Args:
        rate_hz: samples a second.
        stale_s: after this long without a cue :data:`STALE` is heard.
        panning: of tones.
        pulses, earcons, tone, scan, speech: the tracks.

    Attributes:
        onsets: when cues became sound.
        muted: may be set from any thread.
        stale_count: how often no cue came in time.
    """

    def __init__(
        self,
        rate_hz: int,
        stale_s: float,
        panning: Panning,
        pulses: PulseTrack,
        earcons: EarconTrack,
        tone: GatedTone,
        scan: ScanTrack,
        speech: SpeechTrack,
    ) -> None:
        self._rate_hz, self._panning = rate_hz, panning
        self._pulses, self._earcons, self._tone = pulses, earcons, tone
        self._scan, self._speech = scan, speech
        self.onsets = OnsetLog()
        self.stale_count = 0
        self.muted = self._was_muted = False
        self.newest_t: float | None = None  # source time of the newest cue
        self._inbox: deque[Cue] = deque(maxlen=_WAITING_CUES)
        self._announced: deque[tuple[str | None, tuple[str, ...]]] = deque(maxlen=_WAITING_CUES)
        self._muted_at = 0
        self._posted = self._heard = SILENCE
        self._deferred: Cue | None = None  # waits for a danger to have been heard
        self._hold_until = 0
        self._cue_at: int | None = None  # of the newest cue; None: none is expected
        self._stale_samples = round(stale_s * rate_hz)
        self._stale = False

    def post(self, cue: Cue) -> None:
        """A new cue; from any one thread. Raises ValueError for an earcon that does not exist."""
        if cue.earcon is not None and cue.earcon not in EARCONS:
            raise ValueError(f"there is no earcon {cue.earcon!r}")
        self._inbox.append(cue)

    def announce(self, earcon: str | None, keys: tuple[str, ...]) -> None:
        """Play once; from any thread. Raises ValueError for names that do not exist."""
        if earcon is not None and earcon not in EARCONS:
            raise ValueError(f"there is no earcon {earcon!r}")
        unknown = [key for key in keys if key not in PHRASES]
        if unknown:
            raise ValueError(f"there is no phrase {unknown[0]!r}")
        self._announced.append((earcon, keys))

    @property
    def waiting(self) -> bool:
        """Something was posted or announced that the renderer has not taken yet."""
        return bool(self._inbox or self._announced)

    def take(self, position: int) -> None:
        """Everything that came since the last quantum, and what is known without a cue."""
        if self._is_idle(position):
            return
        newest: Cue | None = None
        danger: Cue | None = None
        while self._announced:
            self._announce(*self._announced.popleft(), position)
        if self._inbox and self._inbox[-1].frame_id >= 0:
            self.newest_t = self._inbox[-1].t
        while self._inbox:
            newest = self._inbox.popleft()
            fresh = self._is_fresh(newest)
            self._once(newest, position, fresh)
            if newest.priority is Priority.DANGER and fresh:
                danger = newest
        if newest is not None:
            # Loading may take long and a stopped system brings no cues: both are heard as such.
            waiting = newest.earcon in ("loading", "stopped") and newest.kind is CueKind.EARCON
            self._cue_at = None if waiting else position
            self._stale = False
            if danger is not None:
                self._hold_until = position + round(_DANGER_HOLD_S * self._rate_hz)
                if newest is not danger:
                    self._change(danger, position)
            self._deferred = newest
        elif self._cue_at is not None and position - self._cue_at > self._stale_samples:
            self._raise_stale(position)
        self._watch_mute(position)
        waits = self._deferred
        if waits is not None and (
            waits.priority is Priority.DANGER or position >= self._hold_until
        ):
            self._deferred = None
            self._change(waits, position)

    def _is_idle(self, position: int) -> bool:
        """The usual case, many times for each cue."""
        if self._inbox or self._announced or self._deferred is not None:
            return False
        if self.muted or self._was_muted:
            return False
        return self._cue_at is None or position - self._cue_at <= self._stale_samples

    def _watch_mute(self, position: int) -> None:
        if self.muted is not self._was_muted:
            self._was_muted, self._muted_at = self.muted, position
            if self._deferred is None:
                self._deferred = self._posted
        if self.muted and position - self._muted_at >= _MUTED_EVERY_S * self._rate_hz:
            self._muted_at = position
            self._earcons.play("muted", 0.0, 0.0, position)

    def _raise_stale(self, position: int) -> None:
        if not self._stale:
            self._stale = True
            self.stale_count += 1
            self._deferred = None
            self._once(STALE, position, fresh=True)
            self._change(STALE, position)

    def _is_fresh(self, cue: Cue) -> bool:
        """False for a cue that was not rendered in time (the device was lost): it is not played."""
        if cue.frame_id < 0 or self.newest_t is None:
            return True
        return self.newest_t - cue.t <= _FRESH_S

    def _once(self, cue: Cue, position: int, fresh: bool) -> None:
        """Play what a cue brings only once: an earcon beside a tone, a phrase."""
        before, self._posted = self._posted, cue
        if not fresh:
            return
        if self._silenced(cue) and cue.earcon not in _HEARD_MUTED:
            return
        repeated = cue.kind is CueKind.EARCON and cue.rate_hz > 0.0 and not self._silenced(cue)
        if cue.earcon is not None and cue.earcon != before.earcon and not repeated:
            # an earcon beside a tone is about the tone's obstacle only if that is at head height
            own = cue.kind is CueKind.EARCON or cue.earcon == "head"
            pan, gain_db = (cue.pan, cue.level_db) if own else (0.0, 0.0)
            self._earcons.play(cue.earcon, pan, gain_db, position)
        if cue.phrase is not None:
            phrase = PHRASES.get(cue.phrase)
            priority = phrase.priority if phrase is not None else cue.priority
            expires_s = phrase.expires_s if phrase is not None else 1.0
            cause_t = cue.t if cue.frame_id >= 0 else None
            self._speech.say((cue.phrase,), priority, expires_s, position, cause_t)

    def _silenced(self, cue: Cue) -> bool:
        return self.muted and cue.priority is not Priority.DANGER

    def _announce(self, earcon: str | None, keys: tuple[str, ...], position: int) -> None:
        if earcon is not None:
            self._earcons.play(earcon, 0.0, 0.0, position)
        if keys:
            first = PHRASES[keys[0]]
            priority = min(first.priority, Priority.INFO) if len(keys) > 1 else first.priority
            self._speech.say(keys, priority, first.expires_s, position)

    def _change(self, cue: Cue, position: int) -> None:
        """From this quantum on, sound like ``cue``."""
        if self._silenced(cue):
            cue = SILENCE
        if _sound_of(cue) != _sound_of(self._heard) or cue.phrase is not None:
            self.onsets.add(position, cue)
        if cue.kind is CueKind.CONTINUOUS:
            ears = self._panning.ears(cue.pan).scaled(db_to_gain(cue.level_db))
            self._tone.set(cue, ears, position)
            if cue.priority is Priority.DANGER:
                self._earcons.give_way(Priority.DANGER)
        else:
            self._tone.release()
        self._pulses.set(cue if cue.kind is CueKind.PULSE else None, position)
        self._scan.set(cue if cue.kind is CueKind.SCAN else None, position)
        self._earcons.repeat(cue if cue.kind is CueKind.EARCON else None, position)
        self._heard = cue


def _sound_of(cue: Cue) -> tuple[object, ...]:
    return (cue.kind, cue.pan, cue.rate_hz, cue.pitch_hz, cue.level_db, cue.earcon)
