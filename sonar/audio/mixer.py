"""From cues to samples: one quantum after the other, in a callback or offline, the same.

The mixer has no clock. Its time is the samples it has rendered, so a recording sounds exactly
as the live run would have. ``post`` may be called from another thread; everything else belongs
to the thread that renders.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from sonar.audio.breathing import BreathingTone
from sonar.audio.earcons import EARCONS, REMINDER_RATE_HZ, render_earcons
from sonar.audio.gain import RampedGain
from sonar.audio.phrases import PHRASES
from sonar.audio.signals import EarconTrack, PulseTrack
from sonar.audio.started import Started
from sonar.audio.sweep import Sweep
from sonar.audio.synth import Panning, db_to_gain, limit
from sonar.audio.talk import Talk
from sonar.audio.voices import QUANTUM, Tables
from sonar.config import AudioConfig, SpeechConfig
from sonar.ports import Speaker
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

_WAITING_CUES = 64  # between two blocks; far more than a camera brings
_FRESH_S = 0.5
_DANGER_HOLD_S = 0.15  # a danger of a single frame is still heard
_MONO_GLIDE = 0.4
_MUTED_EVERY_S = 10.0
_HEARD_MUTED = ("unknown", "degraded", "drop_off", "stopped")
_FADE_QUANTA = 5  # 25 ms: volume, ducking, goodbye
_UNDUCK_QUANTA = 24


class Mixer:
    """Tones, earcons and speech in one stereo stream.

    Args:
        audio, speech: the configuration.
        speaker: where phrases come from, or None for tones only.

    Attributes:
        rate_hz: samples a second.
        rendered: samples handed out so far.
        started: when cues became sound.
        muted: set it from any thread. Dangers are still heard, that sight is lost is told once,
            and a tick every ten seconds says that the silence is not the street's.
        stale_count: how often no news came for ``stale_s`` and the mixer said so itself.
    """

    def __init__(
        self, audio: AudioConfig, speech: SpeechConfig, speaker: Speaker | None = None
    ) -> None:
        self.rate_hz: int = audio.rate_hz
        self.rendered = 0
        self.started = Started()
        self.stale_count = 0
        itd_samples = audio.itd_us * 1e-6 * audio.rate_hz
        self._panning = Panning(0.0) if audio.mono else Panning(audio.pan_db, itd_samples)
        self._swap = audio.swap_sides
        self._inbox: deque[Cue] = deque(maxlen=_WAITING_CUES)
        self._told: deque[tuple[str | None, tuple[str, ...]]] = deque(maxlen=_WAITING_CUES)
        self._position = 0  # of the coming quantum; runs ahead of `rendered`
        self._quantum = np.zeros((2, QUANTUM), np.float32)
        self._scratch = np.zeros((2, QUANTUM), np.float32)
        self._ready = 0  # samples of the quantum not handed out yet
        tables = Tables(self.rate_hz)
        self._pulses = PulseTrack(
            self.rate_hz, tables, self._panning, audio.max_duty, _side_glide(audio)
        )
        self._earcons = EarconTrack(
            render_earcons(self.rate_hz), self.rate_hz, tables, self._panning
        )
        self._tone = BreathingTone(self.rate_hz, audio.max_duty)
        self._sweep = Sweep(self.rate_hz, self._panning)
        self._talk = Talk(
            speaker if speech.enabled else None,
            self.rate_hz,
            tables,
            speech.volume_db,
            self._panning,
        )
        self._ducked = db_to_gain(speech.duck_db)
        self._duck = RampedGain(1.0)
        self._wanted_volume = db_to_gain(audio.volume_db)  # set from any thread
        self._volume = RampedGain(self._wanted_volume)
        self.muted = self._was_muted = False
        self._muted_told = 0
        self._posted = self._heard = SILENCE
        self._deferred: Cue | None = None  # waits for a danger to have been heard
        self._hold_until = 0
        self._newest_t: float | None = None
        self._news_at: int | None = None  # None: nobody is expected to bring news
        self._stale_samples = round(audio.stale_s * self.rate_hz)
        self._stale = False

    def post(self, cue: Cue) -> None:
        """Hand over the newest cue; from any one thread, never blocks.

        The newest wins, but earcons and phrases of cues that came and went between two blocks
        are still heard. Raises ValueError for an earcon that does not exist.
        """
        if cue.earcon is not None and cue.earcon not in EARCONS:
            raise ValueError(f"there is no earcon {cue.earcon!r}")
        self._inbox.append(cue)

    def tell(self, earcon: str | None = None, *keys: str) -> None:
        """An earcon, or phrases one after the other, once, whatever cue is being heard.

        From any thread, never blocks. Raises ValueError for names that do not exist.
        """
        if earcon is not None and earcon not in EARCONS:
            raise ValueError(f"there is no earcon {earcon!r}")
        unknown = [key for key in keys if key not in PHRASES]
        if unknown:
            raise ValueError(f"there is no phrase {unknown[0]!r}")
        self._told.append((earcon, keys))

    def take_said(self) -> list[tuple[float, str]]:
        """Phrases that began since last asked: (seconds of sound since the start, key)."""
        said, taken = self._talk.said, []
        while said:
            sample, key = said.popleft()
            taken.append((sample / self.rate_hz, key))
        return taken

    @property
    def busy(self) -> bool:
        """A one-shot earcon or a phrase is sounding or waiting."""
        return bool(self._inbox or self._told) or self._earcons.busy or self._talk.busy

    def fade_out(self) -> None:
        """Go silent within 25 ms and stay so."""
        self._wanted_volume = 0.0

    def set_volume_db(self, volume_db: float) -> None:
        """Gain of everything, from now on (a ramp of 25 ms); from any thread."""
        self._wanted_volume = db_to_gain(volume_db)

    def render(self, out: NDArray[np.float32]) -> None:
        """Fill ``out``, float32 of shape ``(n, 2)``: left, right. Allocates no arrays.

        How a stream is cut into blocks does not change a sample of it. Changes take effect on
        a grid of QUANTUM samples.
        """
        count, filled = out.shape[0], 0
        while filled < count:
            if self._ready == 0:
                self._make_quantum()
                self._ready = QUANTUM
            take = min(self._ready, count - filled)
            begin = QUANTUM - self._ready
            out[filled : filled + take, 0] = self._quantum[0, begin : begin + take]
            out[filled : filled + take, 1] = self._quantum[1, begin : begin + take]
            self._ready -= take
            filled += take
        self.rendered += count

    def _make_quantum(self) -> None:
        position, bus = self._position, self._quantum
        self._take_cues(position)
        bus[:] = 0.0
        self._talk.step(position, self._newest_t)
        self._tone.add(bus, position)
        self._sweep.add(bus, position)
        self._earcons.add(bus, position)
        self._pulses.add(bus, position, not_before=self._earcons.ends_at)
        speaking = self._talk.speaking
        self._duck.aim(
            self._ducked if speaking else 1.0, _FADE_QUANTA if speaking else _UNDUCK_QUANTA
        )
        self._duck.apply(bus)
        self._talk.add(bus)
        self._volume.aim(self._wanted_volume, _FADE_QUANTA)
        self._volume.apply(bus)
        limit(bus, self._scratch)
        if self._swap:
            self._scratch[:] = bus
            bus[0], bus[1] = self._scratch[1], self._scratch[0]
        self._position = position + QUANTUM

    def _take_cues(self, position: int) -> None:
        """Everything posted since the last quantum, and what the mixer adds by itself."""
        newest: Cue | None = None
        danger: Cue | None = None
        while self._told:
            self._tell(*self._told.popleft(), position)
        if self._inbox and self._inbox[-1].frame_id >= 0:
            self._newest_t = self._inbox[-1].t
        while self._inbox:
            newest = self._inbox.popleft()
            fresh = self._is_fresh(newest)
            self._once(newest, position, fresh)
            if newest.priority is Priority.DANGER and fresh:
                danger = newest
        if newest is not None:
            # Loading may take long and a stopped system brings no news: both say so themselves.
            waiting = newest.earcon in ("loading", "stopped") and newest.kind is CueKind.EARCON
            self._news_at = None if waiting else position
            self._stale = False
            if danger is not None:
                self._hold_until = position + round(_DANGER_HOLD_S * self.rate_hz)
                if newest is not danger:
                    self._change(danger, position)
            self._deferred = newest
        elif self._news_at is not None and position - self._news_at > self._stale_samples:
            self._raise_stale(position)
        self._watch_mute(position)
        waits = self._deferred
        if waits is not None and (
            waits.priority is Priority.DANGER or position >= self._hold_until
        ):
            self._deferred = None
            self._change(waits, position)

    def _watch_mute(self, position: int) -> None:
        if self.muted is not self._was_muted:
            self._was_muted, self._muted_told = self.muted, position
            if self._deferred is None:
                self._deferred = self._posted
        if self.muted and position - self._muted_told >= _MUTED_EVERY_S * self.rate_hz:
            self._muted_told = position
            self._earcons.play("muted", 0.0, 0.0, position)

    def _raise_stale(self, position: int) -> None:
        if not self._stale:
            self._stale = True
            self.stale_count += 1
            self._deferred = None
            self._once(STALE, position, fresh=True)
            self._change(STALE, position)

    def _is_fresh(self, cue: Cue) -> bool:
        """False for news that nobody rendered in time (the device was lost): it is not told."""
        if cue.frame_id < 0 or self._newest_t is None:
            return True
        return self._newest_t - cue.t <= _FRESH_S

    def _once(self, cue: Cue, position: int, fresh: bool) -> None:
        """Start what a cue brings only once: a riding earcon, a phrase."""
        before, self._posted = self._posted, cue
        if not fresh:
            return
        if self._silenced(cue) and cue.earcon not in _HEARD_MUTED:
            return
        repeated = cue.kind is CueKind.EARCON and cue.rate_hz > 0.0 and not self._silenced(cue)
        if cue.earcon is not None and cue.earcon != before.earcon and not repeated:
            # what rides on a tone is about the tone's obstacle only if it is at head height
            own = cue.kind is CueKind.EARCON or cue.earcon == "head"
            pan, level_db = (cue.pan, cue.level_db) if own else (0.0, 0.0)
            self._earcons.play(cue.earcon, pan, level_db, position)
        if cue.phrase is not None:
            phrase = PHRASES.get(cue.phrase)
            priority = phrase.priority if phrase is not None else cue.priority
            expires_s = phrase.expires_s if phrase is not None else 1.0
            cause_t = cue.t if cue.frame_id >= 0 else None
            self._talk.say((cue.phrase,), priority, expires_s, position, cause_t)

    def _silenced(self, cue: Cue) -> bool:
        return self.muted and cue.priority is not Priority.DANGER

    def _tell(self, earcon: str | None, keys: tuple[str, ...], position: int) -> None:
        if earcon is not None:
            self._earcons.play(earcon, 0.0, 0.0, position)
        if keys:
            first = PHRASES[keys[0]]
            priority = min(first.priority, Priority.INFO) if len(keys) > 1 else first.priority
            self._talk.say(keys, priority, first.expires_s, position)

    def _change(self, cue: Cue, position: int) -> None:
        """From this quantum on, sound like ``cue``."""
        if self._silenced(cue):
            cue = SILENCE
        if _sound_of(cue) != _sound_of(self._heard) or cue.phrase is not None:
            self.started.add(position, cue)
        if cue.kind is CueKind.CONTINUOUS:
            ears = self._panning.ears(cue.pan).scaled(db_to_gain(cue.level_db))
            self._tone.set(cue, ears, position)
            if cue.priority is Priority.DANGER:
                self._earcons.give_way(Priority.DANGER)
        else:
            self._tone.release()
        self._pulses.set(cue if cue.kind is CueKind.PULSE else None, position)
        self._sweep.set(cue if cue.kind is CueKind.SCAN else None, position)
        self._earcons.repeat(cue if cue.kind is CueKind.EARCON else None, position)
        self._heard = cue


def _side_glide(audio: AudioConfig) -> float:
    if not audio.mono:
        return 0.0
    return -_MONO_GLIDE if audio.swap_sides else _MONO_GLIDE


def _sound_of(cue: Cue) -> tuple[object, ...]:
    return (cue.kind, cue.pan, cue.rate_hz, cue.pitch_hz, cue.level_db, cue.earcon)
