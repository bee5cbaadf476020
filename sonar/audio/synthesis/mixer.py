"""From cues to samples: one quantum after the other, in a callback or offline, the same.

The mixer has no clock. Its time is the samples it has rendered, so a recording sounds exactly
as the live run would have. ``post`` may be called from another thread; everything else belongs
to the thread that renders.
"""

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis.earcons import render_earcons
from sonar.audio.synthesis.gated_tone import GatedTone
from sonar.audio.synthesis.panning import Panning
from sonar.audio.synthesis.primitives import db_to_gain, limit
from sonar.audio.synthesis.quantum import QUANTUM, Envelopes, RampedGain
from sonar.audio.synthesis.scan import ScanTrack
from sonar.audio.synthesis.scheduler import CueScheduler, OnsetLog
from sonar.audio.synthesis.speech_track import SpeechTrack
from sonar.audio.synthesis.tracks import EarconTrack, PulseTrack
from sonar.config import AudioConfig, SpeechConfig
from sonar.ports import Speaker, Spoken
from sonar.types import Cue

MAX_DUTY = 0.4  # of the time that a pulse or tone fills, so that the street is heard; not dangers
STALE_S = 1.0  # without a cue for so long, that nothing is known is heard, whatever hangs
DUCK_DB = -12.0  # of the tones, while a phrase is spoken
_MONO_GLIDE = 0.4
_FADE_QUANTA = 5  # 25 ms: volume, ducking, goodbye
_UNDUCK_QUANTA = 24


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
        self._swap = audio.swap_sides
        self._position = 0  # of the coming quantum; runs ahead of `rendered`
        self._quantum = np.zeros((2, QUANTUM), np.float32)
        self._scratch = np.zeros((2, QUANTUM), np.float32)
        self._ready = 0  # samples of the quantum not handed out yet
        envelopes, panning = Envelopes(self.rate_hz), Panning.configured(audio)
        clips = render_earcons(self.rate_hz)
        self._pulses = PulseTrack(self.rate_hz, envelopes, panning, max_duty, _side_glide(audio))
        self._earcons = EarconTrack(clips, self.rate_hz, envelopes, panning)
        self._tone = GatedTone(self.rate_hz, max_duty)
        self._scan = ScanTrack(self.rate_hz, panning)
        self._speech = SpeechTrack(
            speaker if speech.enabled else None,
            self.rate_hz,
            envelopes,
            0.0,
            panning,
        )
        self._scheduler = CueScheduler(
            self.rate_hz,
            STALE_S if stale_s is None else stale_s,
            panning,
            self._pulses,
            self._earcons,
            self._tone,
            self._scan,
            self._speech,
        )
        self._ducked = db_to_gain(DUCK_DB)
        self._duck = RampedGain(1.0)
        self._wanted_volume = db_to_gain(audio.volume_db)  # set from any thread
        self._volume = RampedGain(self._wanted_volume)

    @property
    def onsets(self) -> OnsetLog:
        """When cues became sound."""
        return self._scheduler.onsets

    @property
    def stale_count(self) -> int:
        """How often no cue came for ``stale_s`` and the mixer announced that itself."""
        return self._scheduler.stale_count

    @property
    def muted(self) -> bool:
        """Set it from any thread. Dangers are still heard, lost sight is announced once, and a tick
        every ten seconds says that sonar is muted, not that the way is clear."""
        return self._scheduler.muted

    @muted.setter
    def muted(self, value: bool) -> None:
        self._scheduler.muted = value

    def post(self, cue: Cue) -> None:
        """Hand over the newest cue; from any one thread, never blocks.

        The newest wins, but earcons and phrases of cues that came and went between two blocks
        are still heard. Raises ValueError for an earcon that does not exist.
        """
        self._scheduler.post(cue)

    def announce(self, earcon: str | None = None, *keys: str) -> None:
        """An earcon, or phrases one after the other, once, whatever cue is being heard.

        From any thread, never blocks. Raises ValueError for names that do not exist.
        """
        self._scheduler.announce(earcon, keys)

    def spoken(self) -> list[Spoken]:
        """Phrases that began to sound since the last call."""
        said, taken = self._speech.said, []
        while said:
            sample, key = said.popleft()
            taken.append(Spoken(sample / self.rate_hz, key))
        return taken

    @property
    def busy(self) -> bool:
        """A one-shot earcon or a phrase is sounding or waiting."""
        return self._scheduler.waiting or self._earcons.busy or self._speech.busy

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
        self._scheduler.take(position)
        bus[:] = 0.0
        self._speech.step(position, self._scheduler.newest_t)
        sounded = self._tone.add(bus, position)
        sounded |= self._scan.add(bus, position)
        sounded |= self._earcons.add(bus, position)
        sounded |= self._pulses.add(bus, position, not_before=self._earcons.ends_at)
        speaking = self._speech.speaking
        self._duck.aim(
            self._ducked if speaking else 1.0, _FADE_QUANTA if speaking else _UNDUCK_QUANTA
        )
        self._duck.apply(bus, silent=not sounded)
        sounded |= self._speech.add(bus)
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
