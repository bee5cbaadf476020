"""The speech track: one phrase at a time, danger first, nothing late."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from sonar.audio.cues.phrases import PHRASES
from sonar.audio.synthesis.panning import Panning
from sonar.audio.synthesis.primitives import Samples, db_to_gain
from sonar.audio.synthesis.quantum import QUANTUM, Envelopes
from sonar.audio.synthesis.voices import ClipVoice, add_active
from sonar.ports import Speaker
from sonar.types import Priority, Side

_FADE_S = 0.025  # of a phrase that is cut off
_EDGE_S = 0.003
_URGENT_FIRST = tuple(reversed(Priority))
_PAN = {Side.LEFT: -0.6, Side.CENTER: 0.0, Side.RIGHT: 0.6}  # to the side, still clear


@dataclass(slots=True)
class _Waiting:
    keys: tuple[str, ...]
    priority: Priority
    expires_s: float
    asked_at: int  # sample
    t: float | None  # source time of the cause, None where it has none


class SpeechTrack:
    """Plays phrases from a speaker's store.

    Args:
        speaker: asked once per waiting phrase and quantum; must not block.
        rate_hz: samples a second.
        gain_db: of speech.
        panning: from a phrase's side to ears.
    """

    def __init__(
        self,
        speaker: Speaker | None,
        rate_hz: int,
        envelopes: Envelopes,
        gain_db: float,
        panning: Panning,
    ) -> None:
        self._speaker, self._rate_hz, self._panning = speaker, rate_hz, panning
        self._gain = db_to_gain(gain_db)
        quanta = max(1, round(_FADE_S * rate_hz / QUANTUM))
        fade = envelopes.fade(quanta)
        edge = round(_EDGE_S * rate_hz)
        # A phrase is cut off by a higher priority only, so two fade while a third speaks.
        self._voices = [ClipVoice(fade, edge) for _ in Priority]
        self._voice: ClipVoice | None = None
        self._current: _Waiting | None = None
        self._rest: tuple[str, ...] = ()
        self._waiting: list[_Waiting | None] = [None] * len(Priority)  # by priority
        self.said: deque[tuple[int, str]] = deque(maxlen=256)  # (sample, key) of what began

    @property
    def speaking(self) -> bool:
        """A phrase is to be heard now (and the tones give way)."""
        return self._current is not None

    @property
    def busy(self) -> bool:
        """Speaking, fading, or about to speak."""
        return (
            self.speaking
            or any(voice.active for voice in self._voices)
            or any(item is not None for item in self._waiting)
        )

    def say(
        self,
        keys: tuple[str, ...],
        priority: Priority,
        expires_s: float,
        position: int,
        t: float | None = None,
    ) -> None:
        """Say ``keys`` one after the other; replaces what waits at the same priority."""
        if self._speaker is not None:
            self._waiting[priority] = _Waiting(keys, priority, expires_s, position, t)

    def step(self, position: int, newest_t: float | None) -> None:
        """Decide what is heard in the quantum at ``position``.

        ``newest_t`` is the source time of the newest cue: a phrase whose cause is older than
        that by more than it may be is never said.
        """
        if self._current is not None and self._voice is not None and not self._voice.active:
            self._continue(position)
        for priority in _URGENT_FIRST:
            item = self._waiting[priority]
            if item is None:
                continue
            if self._expired(item, position, newest_t):
                self._waiting[priority] = None
            elif self._may_begin(priority) and self._begin(item.keys[0], position):
                self._waiting[priority] = None
                self._current, self._rest = item, item.keys[1:]
                return
            # else it waits: for its turn, or for its rendering

    def _may_begin(self, priority: Priority) -> bool:
        return self._current is None or priority > self._current.priority

    def add(self, bus: Samples) -> bool:
        """One quantum into ``bus``; whether there was anything to add."""
        return add_active(self._voices, bus)

    def _expired(self, item: _Waiting, position: int, newest_t: float | None) -> bool:
        age_s = (position - item.asked_at) / self._rate_hz
        if item.t is not None and newest_t is not None:
            age_s = max(age_s, newest_t - item.t)
        return age_s > item.expires_s

    def _continue(self, position: int) -> None:
        while self._rest:
            key, self._rest = self._rest[0], self._rest[1:]
            if self._begin(key, position):
                return
        self._current = None

    def _begin(self, key: str, position: int) -> bool:
        clip = self._speaker.get(key) if self._speaker is not None else None
        free = next((voice for voice in self._voices if not voice.active), None)
        if clip is None or free is None or clip.dtype != np.float32:
            return False
        if self._voice is not None:
            self._voice.cut()
        phrase = PHRASES.get(key)
        pan = _PAN[phrase.side] if phrase is not None and phrase.side is not None else 0.0
        free.start(clip, self._panning.ears(pan).scaled(self._gain))
        self._voice = free
        self.said.append((position, key))
        return True
