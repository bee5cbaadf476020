"""The speech track: one phrase at a time, danger first, nothing late."""

from collections import deque
from typing import NamedTuple

from sonar.audio.cues import PHRASES
from sonar.audio.synthesis.voices import OnceVoice, add_all
from sonar.audio.synthesis.waves import QUANTUM, Samples, ears
from sonar.ports import Speaker
from sonar.types import Priority, Side

_CUT_SAMPLES = 5 * QUANTUM  # 25 ms
_EDGE_S = 0.003  # phrases begin and end where the synthesizer left them
_PAN = {Side.LEFT: -0.6, Side.CENTER: 0.0, Side.RIGHT: 0.6, None: 0.0}  # to the side, still clear


class _Waiting(NamedTuple):
    keys: tuple[str, ...]
    asked_at: int  # sample
    t: float | None  # source time of the cause, None where it has none


class SpeechTrack:
    """Plays phrases from the store of ``speaker``, which is asked once a quantum.

    Attributes:
        said: (sample, key) of each phrase that began; whoever reads it empties it.
        speaking: a phrase is to be heard now, and the tones give way.
    """

    def __init__(self, speaker: Speaker | None, rate_hz: int, pan_db: float) -> None:
        self._speaker, self._rate_hz, self._pan_db = speaker, rate_hz, pan_db
        self._voices: list[OnceVoice] = []
        self._voice: OnceVoice | None = None
        self._priority = Priority.IDLE  # of what is being said
        self._rest: tuple[str, ...] = ()
        self._waiting: dict[Priority, _Waiting] = {}
        self.said: deque[tuple[int, str]] = deque(maxlen=256)
        self.speaking = False

    @property
    def busy(self) -> bool:
        """Speaking, fading, or about to speak."""
        return bool(self.speaking or self._voices or self._waiting)

    def say(
        self, keys: tuple[str, ...], priority: Priority, position: int, t: float | None = None
    ) -> None:
        """Say ``keys`` one after the other; replaces what waits at the same priority."""
        if self._speaker is not None:
            self._waiting[priority] = _Waiting(keys, position, t)

    def step(self, position: int, newest_t: float | None) -> None:
        """Decide what is heard in the quantum at ``position``.

        ``newest_t`` is the source time of the newest cue: a phrase whose cause is older than
        that by more than it may be is never said.
        """
        if self.speaking and self._voice not in self._voices:
            self._continue(position)
        for priority in sorted(self._waiting, reverse=True):
            item = self._waiting[priority]
            if self._is_expired(item, position, newest_t):
                del self._waiting[priority]
            elif (not self.speaking or priority > self._priority) and self._begin(
                item.keys[0], position
            ):
                del self._waiting[priority]
                self.speaking, self._priority, self._rest = True, priority, item.keys[1:]
                return
            # else it waits: for its turn, or for its rendering

    def add(self, bus: Samples) -> bool:
        return add_all(self._voices, bus)

    def _is_expired(self, item: _Waiting, position: int, newest_t: float | None) -> bool:
        age_s = (position - item.asked_at) / self._rate_hz
        if item.t is not None and newest_t is not None:
            age_s = max(age_s, newest_t - item.t)
        return age_s > PHRASES[item.keys[0]].expires_s

    def _continue(self, position: int) -> None:
        while self._rest:
            key, self._rest = self._rest[0], self._rest[1:]
            if self._begin(key, position):
                return
        self.speaking = False

    def _begin(self, key: str, position: int) -> bool:
        clip = self._speaker.get(key) if self._speaker is not None else None
        if clip is None:
            return False
        for voice in self._voices:
            voice.cut(_CUT_SAMPLES)
        edge, gains = round(_EDGE_S * self._rate_hz), ears(_PAN[PHRASES[key].side], self._pan_db)
        self._voice = OnceVoice(clip, gains, attack=edge, release=edge)
        self._voices.append(self._voice)
        self.said.append((position, key))
        return True
