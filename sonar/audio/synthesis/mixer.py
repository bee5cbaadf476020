"""From cues to samples: one quantum after the other, in a callback or offline, the same.

The mixer has no clock. Its time is the samples it has rendered, so a recording sounds exactly
as the live run would have. ``post``, ``announce`` and the volume may be used from another thread;
everything else belongs to the thread that renders.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonar.audio.cues import PHRASES, REMINDER_RATE_HZ
from sonar.audio.synthesis.earcons import EARCONS, EarconTrack
from sonar.audio.synthesis.speech_track import SpeechTrack
from sonar.audio.synthesis.tracks import PulseTrack, ScanTrack, ToneTrack
from sonar.audio.synthesis.waves import QUANTUM, Fader, db_to_gain, limit
from sonar.config import AudioConfig, SpeechConfig
from sonar.ports import Speaker, Spoken
from sonar.types import Cue, CueKind, Priority

MAX_DUTY = 0.4  # of the time that a pulse or tone fills, so that the street is heard; not dangers
STALE_S = 1.0  # without a cue for so long, that nothing is known is heard, whatever hangs
DUCK_DB = -12.0  # of the tones, while a phrase is spoken
_FADE_QUANTA = 5  # 25 ms: volume, ducking, goodbye
_UNDUCK_QUANTA = 24
_WAITING_CUES = 64  # between two blocks; far more than a camera brings
_FRESH_S = 0.5  # a cue that is older than the newest by more (the device was lost) is not played
_DANGER_HOLD_S = 0.15  # a danger of a single frame is still heard
_MUTED_EVERY_S = 10.0
_HEARD_MUTED = ("unknown", "degraded", "drop_off", "stopped")

SILENCE = Cue(CueKind.SILENCE)
_STALE = Cue(
    CueKind.EARCON,
    rate_hz=REMINDER_RATE_HZ,
    earcon="unknown",
    priority=Priority.WARNING,
    phrase="unknown_stale",
    why="unknown, no cue from the pipeline",
)


class Onset(NamedTuple):
    """When a cue became sound: the first sample that carries it, its source time in seconds."""

    sample: int
    t: float
    frame_id: int


class Mixer:
    """Tones, earcons and speech in one stereo stream.

    Args:
        audio, speech: the configuration.
        speaker: where phrases come from, or None for tones only.
        max_duty: share of the time that a pulse or tone may fill.
        stale_s: without a cue for so long, that nothing is known is heard; None = STALE_S.

    Attributes:
        rate_hz: samples a second.
        rendered: samples handed out so far.
        onsets: when cues became sound, the last 1024; whoever reads it empties it.
        muted: set it from any thread. Dangers are still heard, lost sight is announced once, and a
            tick every ten seconds says that sonar is muted, not that the way is clear.
    """

    def __init__(
        self,
        audio: AudioConfig,
        speech: SpeechConfig,
        speaker: Speaker | None = None,
        *,
        max_duty: float = MAX_DUTY,
        stale_s: float | None = None,
    ) -> None:
        self.rate_hz: int = audio.rate_hz
        self.rendered = 0
        self.onsets: deque[Onset] = deque(maxlen=1024)
        self.muted = self._was_muted = False
        self._muted_at = 0
        # posted and announced and not taken yet; any thread appends
        self._cues: deque[Cue] = deque(maxlen=_WAITING_CUES)
        self._announced: deque[tuple[str | None, tuple[str, ...]]] = deque(maxlen=_WAITING_CUES)
        pan_db = 0.0 if audio.mono else audio.pan_db
        self._speech = SpeechTrack(speaker if speech.enabled else None, self.rate_hz, pan_db)
        self._pulses = PulseTrack(audio, pan_db, max_duty)
        self._earcons = EarconTrack(self.rate_hz, pan_db)
        self._tone = ToneTrack(self.rate_hz, pan_db, max_duty)
        self._scan = ScanTrack(self.rate_hz, pan_db)
        self._stale_samples = round((STALE_S if stale_s is None else stale_s) * self.rate_hz)
        self._newest_t: float | None = None  # source time of the newest cue
        self._posted = self._heard = SILENCE
        self._deferred: Cue | None = None  # waits for a danger to have been heard
        self._hold_until = 0
        self._cue_at: int | None = None  # of the newest cue; None: none is expected
        self._swap = audio.swap_sides
        self._position = 0  # of the coming quantum; runs ahead of `rendered`
        self._quantum = np.zeros((2, QUANTUM), np.float32)
        self._ready = 0  # samples of the quantum not handed out yet
        self._duck = Fader(1.0)
        self._wanted_volume = db_to_gain(audio.volume_db)  # set from any thread
        self._volume = Fader(self._wanted_volume)

    @property
    def busy(self) -> bool:
        """A one-shot earcon or a phrase is sounding or waiting."""
        return bool(self._cues or self._announced) or self._earcons.busy or self._speech.busy

    def post(self, cue: Cue) -> None:
        """Hand over the newest cue; from any one thread, never blocks.

        The newest wins, but earcons and phrases of cues that came and went between two blocks
        are still heard. Raises ValueError for an earcon or a phrase that does not exist.
        """
        _check(cue.earcon, () if cue.phrase is None else (cue.phrase,))
        self._cues.append(cue)

    def announce(self, earcon: str | None = None, *keys: str) -> None:
        """An earcon, or phrases one after the other, once, whatever cue is being heard.

        From any thread, never blocks. Raises ValueError for names that do not exist.
        """
        _check(earcon, keys)
        self._announced.append((earcon, keys))

    def spoken(self) -> list[Spoken]:
        """Phrases that began to sound since the last call."""
        said = self._speech.said
        taken = [said.popleft() for _ in range(len(said))]
        return [Spoken(sample / self.rate_hz, key) for sample, key in taken]

    def fade_out(self) -> None:
        """Go silent within 25 ms and stay so."""
        self._wanted_volume = 0.0

    def set_volume_db(self, volume_db: float) -> None:
        """Gain of everything, from now on (a ramp of 25 ms); from any thread."""
        self._wanted_volume = db_to_gain(volume_db)

    def render(self, out: NDArray[np.float32]) -> None:
        """Fill ``out``, float32 of shape ``(n, 2)``: left, right. Never blocks.

        How a stream is cut into blocks does not change a sample of it. Changes take effect on
        a grid of QUANTUM samples.
        """
        count, filled = out.shape[0], 0
        while filled < count:
            if self._ready == 0:
                self._make_quantum(self._quantum, self._position)
                self._position += QUANTUM
                self._ready = QUANTUM
            take = min(self._ready, count - filled)
            begin = QUANTUM - self._ready
            out[filled : filled + take] = self._quantum[:, begin : begin + take].T
            self._ready -= take
            filled += take
        self.rendered += count

    def _make_quantum(self, bus: NDArray[np.float32], position: int) -> None:
        bus.fill(0.0)
        self._take(position)
        sounded = self._tone.add(bus, position)
        sounded |= self._scan.add(bus, position)
        sounded |= self._earcons.add(bus, position)
        sounded |= self._pulses.add(bus, position, not_before=self._earcons.ends_at)
        speaking = self._speech.speaking
        duck = (db_to_gain(DUCK_DB), _FADE_QUANTA) if speaking else (1.0, _UNDUCK_QUANTA)
        ducking = self._duck.over(*duck)
        if sounded:
            bus *= ducking
        sounded |= self._speech.add(bus)
        volume = self._volume.over(self._wanted_volume, _FADE_QUANTA)
        if sounded:
            bus *= volume
            limit(bus)
            if self._swap:
                bus[:] = bus[::-1].copy()

    def _take(self, position: int) -> None:
        """Everything that came since the last quantum, and what is known without a cue."""
        while self._announced:
            self._play(*self._announced.popleft(), position)
        if self._cues:
            self._take_cues(position)
        elif self._cue_at is not None and position - self._cue_at > self._stale_samples:
            self._cue_at = self._deferred = None
            self._once(_STALE, position)
            self._change(_STALE, position)
        self._watch_mute(position)
        waits = self._deferred
        if waits and (waits.priority is Priority.DANGER or position >= self._hold_until):
            self._deferred = None
            self._change(waits, position)
        self._speech.step(position, self._newest_t)

    def _take_cues(self, position: int) -> None:
        newest, danger = self._cues[-1], None
        if newest.frame_id >= 0:
            self._newest_t = newest.t
        while self._cues:
            newest = self._cues.popleft()
            last_t = self._newest_t
            fresh = newest.frame_id < 0 or last_t is None or last_t - newest.t <= _FRESH_S
            self._once(newest, position, fresh)
            if newest.priority is Priority.DANGER and fresh:
                danger = newest
        # Loading may take long and a stopped system brings no cues: both are heard as such.
        waiting = newest.earcon in ("loading", "stopped") and newest.kind is CueKind.EARCON
        self._cue_at = None if waiting else position
        if danger is not None:
            self._hold_until = position + round(_DANGER_HOLD_S * self.rate_hz)
            if newest is not danger:
                self._change(danger, position)
        self._deferred = newest

    def _watch_mute(self, position: int) -> None:
        if self.muted is not self._was_muted:
            self._was_muted, self._muted_at = self.muted, position
            self._deferred = self._deferred or self._posted
        if self.muted and position - self._muted_at >= _MUTED_EVERY_S * self.rate_hz:
            self._muted_at = position
            self._earcons.play("muted", 0.0, 0.0, position)

    def _is_silenced(self, cue: Cue) -> bool:
        return self.muted and cue.priority is not Priority.DANGER

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

    def _play(self, earcon: str | None, keys: tuple[str, ...], position: int) -> None:
        """What was announced; a list of phrases gives way to every warning."""
        if earcon is not None:
            self._earcons.play(earcon, 0.0, 0.0, position)
        if keys:
            priority = PHRASES[keys[0]].priority
            priority = min(priority, Priority.INFO) if len(keys) > 1 else priority
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


def _check(earcon: str | None, keys: tuple[str, ...]) -> None:
    if earcon is not None and earcon not in EARCONS:
        raise ValueError(f"there is no earcon {earcon!r}")
    for key in keys:
        if key not in PHRASES:
            raise ValueError(f"there is no phrase {key!r}")
