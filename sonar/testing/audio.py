"""Sinks and speakers for tests: yours too."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sonar.audio.output import OfflineSink, UnheardSink
from sonar.audio.synthesis import Mixer
from sonar.types import Cue


class CollectSink(OfflineSink):
    """Keeps what was rendered, and the cues that were posted, in memory.

    Attributes:
        cues: everything posted, with the time in seconds at which it was: ``(t, cue)``.

    >>> from sonar.audio.synthesis import Mixer
    >>> from sonar.config import AudioConfig, SpeechConfig
    >>> from sonar.types import Cue, CueKind
    >>> sink = CollectSink(Mixer(AudioConfig(), SpeechConfig(enabled=False)))
    >>> sink.start()
    >>> sink.post(Cue(CueKind.PULSE, pan=-1.0, rate_hz=4.0, pitch_hz=800.0))
    >>> sink.advance(1.0)
    >>> left, right = abs(sink.samples).max(axis=0)
    >>> bool(left > 5 * right)
    True
    """

    label = "memory"

    def __init__(self, mixer: Mixer) -> None:
        super().__init__(mixer)
        self._blocks: list[NDArray[np.float32]] = []
        self.cues: list[tuple[float, Cue]] = []

    @property
    def samples(self) -> NDArray[np.float32]:
        """All that was rendered, float32 ``(n, 2)``."""
        return np.concatenate([np.zeros((0, 2), np.float32), *self._blocks])

    def post(self, cue: Cue) -> None:
        self.cues.append((self._mixer.rendered / self._mixer.rate_hz, cue))
        super().post(cue)

    def _write(self, block: NDArray[np.float32]) -> None:
        self._blocks.append(block)


class CueSink(UnheardSink):
    """Keeps the cues that were posted; nothing is rendered.

    Give it to :func:`sonar.open` as ``sound``. ``cues`` has everything posted, in order; ``closed``
    says whether :meth:`close` was called.

    >>> from sonar.types import Cue, CueKind
    >>> sink = CueSink()
    >>> sink.post(Cue(CueKind.PULSE, pan=-1.0, rate_hz=4.0))
    >>> sink.cues[0].pan
    -1.0
    """

    label = "cues"

    def __init__(self) -> None:
        self.cues: list[Cue] = []
        self.closed = False

    def post(self, cue: Cue) -> None:
        self.cues.append(cue)

    def close(self) -> None:
        self.closed = True


class ToneSpeaker:
    """Says every phrase as a sine of its own frequency, so that a test can find it again.

    ``seconds`` is the length of every phrase, ``missing`` has keys that are not rendered (yet),
    ``asked`` those that were asked for.

    >>> speaker = ToneSpeaker(48_000, seconds=0.25)
    >>> speaker.get("stop").shape, speaker.asked
    ((12000,), ['stop'])
    """

    def __init__(self, rate_hz: int, seconds: float = 0.5, missing: Iterable[str] = ()) -> None:
        self._rate_hz, self._seconds = rate_hz, seconds
        self.missing = set(missing)
        self.asked: list[str] = []

    def pitch_hz(self, phrase: str) -> float:
        """Between 3 and 4 kHz, where no tone of sonar is strong."""
        return 3000.0 + 10.0 * (sum(map(ord, phrase)) % 100)

    def get(self, phrase: str) -> NDArray[np.float32] | None:
        self.asked.append(phrase)
        if phrase in self.missing:
            return None
        t = np.arange(round(self._seconds * self._rate_hz)) / self._rate_hz
        return (0.2 * np.sin(2 * np.pi * self.pitch_hz(phrase) * t)).astype(np.float32)

    def text(self, phrase: str) -> str:
        return phrase.replace("_", " ")

    def close(self) -> None:
        pass
