"""From cues to samples: one quantum after the other, in a callback or offline, the same.

The mixer has no clock. Its time is the samples it has rendered, so a recording sounds exactly
as the live run would have. ``post``, ``announce`` and the volume may be used from another thread;
everything else belongs to the thread that renders.
"""

import numpy as np
from numpy.typing import NDArray

from sonar.audio.cues import PHRASES
from sonar.audio.synthesis.earcons import EARCONS
from sonar.audio.synthesis.scheduler import CueScheduler
from sonar.audio.synthesis.waves import QUANTUM, Fader, db_to_gain, limit
from sonar.config import AudioConfig, SpeechConfig
from sonar.ports import Speaker, Spoken
from sonar.types import Cue

MAX_DUTY = 0.4  # of the time that a pulse or tone fills, so that the street is heard; not dangers
STALE_S = 1.0  # without a cue for so long, that nothing is known is heard, whatever hangs
DUCK_DB = -12.0  # of the tones, while a phrase is spoken
_FADE_QUANTA = 5  # 25 ms: volume, ducking, goodbye
_UNDUCK_QUANTA = 24


class Mixer(CueScheduler):
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
        stale_s = STALE_S if stale_s is None else stale_s
        super().__init__(audio, speaker if speech.enabled else None, max_duty, stale_s)
        self.rendered = 0
        self._swap = audio.swap_sides
        self._position = 0  # of the coming quantum; runs ahead of `rendered`
        self._quantum = np.zeros((2, QUANTUM), np.float32)
        self._ready = 0  # samples of the quantum not handed out yet
        self._duck = Fader(1.0)
        self._wanted_volume = db_to_gain(audio.volume_db)  # set from any thread
        self._volume = Fader(self._wanted_volume)

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
                self._make_quantum()
                self._ready = QUANTUM
            take = min(self._ready, count - filled)
            begin = QUANTUM - self._ready
            out[filled : filled + take] = self._quantum[:, begin : begin + take].T
            self._ready -= take
            filled += take
        self.rendered += count

    def _make_quantum(self) -> None:
        bus = self._quantum
        bus[:] = 0.0
        self._take(self._position)
        sounded = self._add_tones(bus, self._position)
        if self._speech.speaking:
            bus *= self._duck.over(db_to_gain(DUCK_DB), _FADE_QUANTA)
        else:
            bus *= self._duck.over(1.0, _UNDUCK_QUANTA)
        sounded |= self._speech.add(bus)
        bus *= self._volume.over(self._wanted_volume, _FADE_QUANTA)
        if sounded:
            limit(bus)
            if self._swap:
                bus[:] = bus[::-1].copy()
        self._position += QUANTUM


def _check(earcon: str | None, keys: tuple[str, ...]) -> None:
    if earcon is not None and earcon not in EARCONS:
        raise ValueError(f"there is no earcon {earcon!r}")
    for key in keys:
        if key not in PHRASES:
            raise ValueError(f"there is no phrase {key!r}")
