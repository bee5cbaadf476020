"""From cues to samples: one quantum after the other, in a callback or offline, the same.

The mixer has no clock. Its time is the samples it has rendered, so a recording sounds exactly
as the live run would have. ``post`` may be called from another thread; everything else belongs
to the thread that renders.
"""

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis.breathing import BreathingTone
from sonar.audio.synthesis.earcons import render_earcons
from sonar.audio.synthesis.gain import RampedGain
from sonar.audio.synthesis.news import SILENCE, STALE, News
from sonar.audio.synthesis.signals import EarconTrack, PulseTrack
from sonar.audio.synthesis.space import make_spaces
from sonar.audio.synthesis.started import Started
from sonar.audio.synthesis.sweep import Sweep
from sonar.audio.synthesis.synth import db_to_gain, limit
from sonar.audio.synthesis.tables import QUANTUM, Tables
from sonar.audio.synthesis.talk import Talk
from sonar.config import AudioConfig, SpeechConfig
from sonar.ports import Speaker, Spoken
from sonar.types import Cue

__all__ = ["SILENCE", "STALE", "Mixer"]

_MONO_GLIDE = 0.4
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
    """

    def __init__(
        self, audio: AudioConfig, speech: SpeechConfig, speaker: Speaker | None = None
    ) -> None:
        self.rate_hz: int = audio.rate_hz
        self.rendered = 0
        self._swap = audio.swap_sides
        self._position = 0  # of the coming quantum; runs ahead of `rendered`
        self._quantum = np.zeros((2, QUANTUM), np.float32)
        self._scratch = np.zeros((2, QUANTUM), np.float32)
        self._ready = 0  # samples of the quantum not handed out yet
        tables = Tables(self.rate_hz)
        self._space, self._speech_space = make_spaces(audio)
        space = self._space
        self._pulses = PulseTrack(self.rate_hz, tables, space, audio.max_duty, _side_glide(audio))
        self._earcons = EarconTrack(render_earcons(self.rate_hz), self.rate_hz, tables, space)
        self._tone = BreathingTone(self.rate_hz, audio.max_duty, space)
        self._sweep = Sweep(self.rate_hz, space)
        self._talk = Talk(
            speaker if speech.enabled else None,
            self.rate_hz,
            tables,
            speech.volume_db,
            self._speech_space,
        )
        self._news = News(
            self.rate_hz,
            audio.stale_s,
            space,
            self._pulses,
            self._earcons,
            self._tone,
            self._sweep,
            self._talk,
        )
        self._ducked = db_to_gain(speech.duck_db)
        self._duck = RampedGain(1.0)
        self._wanted_volume = db_to_gain(audio.volume_db)  # set from any thread
        self._volume = RampedGain(self._wanted_volume)

    @property
    def started(self) -> Started:
        """When cues became sound."""
        return self._news.started

    @property
    def stale_count(self) -> int:
        """How often no news came for ``stale_s`` and the mixer said so itself."""
        return self._news.stale_count

    @property
    def muted(self) -> bool:
        """Set it from any thread. Dangers are still heard, that sight is lost is told once, and
        a tick every ten seconds says that the silence is not the street's."""
        return self._news.muted

    @muted.setter
    def muted(self, value: bool) -> None:
        self._news.muted = value

    def post(self, cue: Cue) -> None:
        """Hand over the newest cue; from any one thread, never blocks.

        The newest wins, but earcons and phrases of cues that came and went between two blocks
        are still heard. Raises ValueError for an earcon that does not exist.
        """
        self._news.post(cue)

    def tell(self, earcon: str | None = None, *keys: str) -> None:
        """An earcon, or phrases one after the other, once, whatever cue is being heard.

        From any thread, never blocks. Raises ValueError for names that do not exist.
        """
        self._news.tell(earcon, keys)

    def spoken(self) -> list[Spoken]:
        """Phrases that began to sound since the last call."""
        said, taken = self._talk.said, []
        while said:
            sample, key = said.popleft()
            taken.append(Spoken(sample / self.rate_hz, key))
        return taken

    @property
    def busy(self) -> bool:
        """A one-shot earcon or a phrase is sounding or waiting."""
        return self._news.waiting or self._earcons.busy or self._talk.busy

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
        self._news.take(position)
        bus[:] = 0.0
        self._talk.step(position, self._news.newest_t)
        sounded = self._tone.add(bus, position)
        sounded |= self._sweep.add(bus, position)
        sounded |= self._earcons.add(bus, position)
        sounded |= self._pulses.add(bus, position, not_before=self._earcons.ends_at)
        sounded |= self._space.finish(bus)
        speaking = self._talk.speaking
        self._duck.aim(
            self._ducked if speaking else 1.0, _FADE_QUANTA if speaking else _UNDUCK_QUANTA
        )
        self._duck.apply(bus, silent=not sounded)
        sounded |= self._talk.add(bus)
        sounded |= self._speech_space.finish(bus)
        self._volume.aim(self._wanted_volume, _FADE_QUANTA)
        self._volume.apply(bus, silent=not sounded)
        if sounded:
            limit(bus, self._scratch)
            if self._swap:
                self._scratch[:] = bus
                bus[0], bus[1] = self._scratch[1], self._scratch[0]
        self._position = position + QUANTUM


def _side_glide(audio: AudioConfig) -> float:
    if not audio.mono:
        return 0.0
    return -_MONO_GLIDE if audio.swap_sides else _MONO_GLIDE
