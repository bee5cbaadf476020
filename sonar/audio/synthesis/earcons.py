"""Earcons: short fixed signals, one for each message that a pulse cannot carry.

Each differs from every other in rhythm and contour, not only in pitch, so that a listener who
has heard them once distinguishes them, also one who does not hear pitch well.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from sonar.audio.synthesis import waves
from sonar.audio.synthesis.voices import OnceVoice, add_all
from sonar.audio.synthesis.waves import CUT_SAMPLES, QUANTUM, Samples, Wave, ears, rise
from sonar.types import Cue, Priority

_RELEASE_S = 0.025
_STATIC_HZ = 2200.0
_WAITING_S = 2.0  # an earcon that could not start by then is dropped
_NEVER = -(10**12)


class _Note(NamedTuple):
    """A struck note, with the timbre of the pulses; it may glide, geometrically."""

    pitch_hz: float
    seconds: float
    decay_s: float = 0.12
    gain: float = 1.0
    to_hz: float | None = None


class _Static(NamedTuple):
    """Noise around 2.2 kHz: a radio without a station."""

    seconds: float
    seed: int


_Part = _Note | _Static | float  # a number is a pause in seconds


class Earcon(NamedTuple):
    """A signal: its priority, and what sounds. A higher priority cuts off a lower one; equals
    wait."""

    priority: Priority
    parts: tuple[_Part, ...]


_C5, _E5, _G5 = 523.25, 659.26, 783.99
_FALL, _TRILL = _Note(1600.0, 0.26, 10.0, to_hz=220.0), (_Note(1000.0, 0.07), _Note(1500.0, 0.07))
_BEEP, _THUD = _Note(330.0, 0.06), _Note(196.0, 0.07, 0.03, 0.7)
_TICK = _Note(600.0, 0.04, 0.015, 0.3)
_BATTERY = (_BEEP, 0.06, _BEEP, 0.06, _BEEP, 0.06, _Note(247.0, 0.15))
_READY = tuple(_Note(pitch_hz, 0.11) for pitch_hz in (_C5, _E5, _G5))
_STOPPED = tuple(_Note(pitch_hz, 0.15) for pitch_hz in (_G5, _E5, _C5))
EARCONS = {  # by name in Cue.earcon; docs/sound.md says what each means
    "unknown": Earcon(Priority.WARNING, (_Static(0.13, 1), 0.07, _Static(0.13, 2))),
    "drop_off": Earcon(Priority.DANGER, (_FALL, 0.04, _FALL)),
    "head": Earcon(Priority.WARNING, (*_TRILL, *_TRILL)),
    "loading": Earcon(Priority.INFO, (_Note(400.0, 0.09, 0.03, 0.5),)),
    "ready": Earcon(Priority.INFO, _READY),
    "guiding": Earcon(Priority.INFO, (_Note(_C5, 0.09), _Note(_G5, 0.12))),
    "degraded": Earcon(Priority.WARNING, (_Note(622.25, 0.12), 0.02, _Note(440.0, 0.2))),
    "stopped": Earcon(Priority.WARNING, _STOPPED),
    "battery_low": Earcon(Priority.INFO, _BATTERY),
    "confirm": Earcon(Priority.INFO, (_Note(1175.0, 0.05, 0.02, 0.7),)),
    "muted": Earcon(Priority.INFO, (_TICK, 0.12, _TICK)),
    "refused": Earcon(Priority.INFO, (_THUD, 0.04, _THUD)),
}


def render_earcons(rate_hz: int) -> dict[str, Samples]:
    """All of them, mono float32 ``(n,)``, peaks below 1, by name."""
    return {
        name: np.concatenate([_render(part, rate_hz) for part in earcon.parts]).astype(np.float32)
        for name, earcon in EARCONS.items()
    }


def _render(part: _Part, rate_hz: int) -> Wave:
    if isinstance(part, float):
        return np.zeros(round(part * rate_hz))
    index = np.arange(round(part.seconds * rate_hz))
    if isinstance(part, _Static):
        attack_s, wave = 0.025, _static(index.size, rate_hz, part.seed)
    else:
        to_hz, attack_s = part.to_hz or part.pitch_hz, 0.004
        pitch_hz = part.pitch_hz * (to_hz / part.pitch_hz) ** (index / index.size)
        weights = waves.timbre((part.pitch_hz * to_hz) ** 0.5)
        wave = np.asarray(part.gain * np.exp(-index / (part.decay_s * rate_hz)))
        wave *= waves.harmonics(np.cumsum(pitch_hz) / rate_hz, weights)
    attack, release = rise(round(attack_s * rate_hz)), rise(round(_RELEASE_S * rate_hz))
    wave[: attack.size] *= attack
    wave[-release.size :] *= release[::-1]
    return wave


def _static(count: int, rate_hz: int, seed: int) -> Wave:
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequency_hz = np.fft.rfftfreq(count, 1 / rate_hz)
    spectrum *= np.exp(-((np.log2(np.maximum(frequency_hz, 1.0) / _STATIC_HZ) / 0.45) ** 2))
    wave = np.fft.irfft(spectrum, count)
    loudness = np.sqrt(np.mean(wave**2)) * waves.a_weighting(np.array(_STATIC_HZ))
    return np.asarray(waves.LOUDNESS / loudness * wave)


class EarconTrack:
    """One earcon at a time: a higher priority cuts in, equals wait their turn.

    Attributes:
        ends_at: sample at which the earcon now playing ends; pulses wait for it.
    """

    def __init__(self, rate_hz: int, pan_db: float) -> None:
        self._clips, self._rate_hz, self._pan_db = render_earcons(rate_hz), rate_hz, pan_db
        self._voices: list[OnceVoice] = []
        self._priority = Priority.IDLE
        self._waiting: deque[tuple[str, float, float, int]] = deque(maxlen=4)
        self._repeated: Cue | None = None
        self._last = dict.fromkeys(self._clips, _NEVER)
        self.ends_at = 0

    @property
    def busy(self) -> bool:
        """An earcon is sounding or waiting."""
        return bool(self._waiting or self._voices)

    def play(self, name: str, pan: float, gain_db: float, position: int) -> None:
        """Play it once, as soon as nothing more important sounds."""
        self._waiting.append((name, pan, gain_db, position))

    def repeat(self, cue: Cue | None) -> None:
        """Repeat ``cue.earcon`` at ``cue.rate_hz``; None, or a rate of 0, ends that."""
        self._repeated = cue if cue is not None and cue.rate_hz > 0.0 else None

    def give_way(self, priority: Priority) -> None:
        """Fade out what matters less than ``priority``."""
        if self._priority < priority:
            self._cut()
            self.ends_at = 0

    def add(self, bus: Samples, position: int) -> bool:
        for _ in range(len(self._waiting)):
            name, pan, gain_db, since = self._waiting.popleft()
            if self._is_free_for(name):
                self._begin(name, pan, gain_db, position)
            elif position - since < _WAITING_S * self._rate_hz:
                self._waiting.append((name, pan, gain_db, since))
        cue = self._repeated
        if cue is not None and cue.earcon is not None:
            due = self._last[cue.earcon] + self._rate_hz / cue.rate_hz
            if position + QUANTUM > due and self._is_free_for(cue.earcon):
                self._begin(cue.earcon, cue.pan, cue.level_db, position)
        return add_all(self._voices, bus)

    def _is_free_for(self, name: str) -> bool:
        playing = any(not voice.fading for voice in self._voices)
        return not playing or EARCONS[name].priority > self._priority

    def _begin(self, name: str, pan: float, gain_db: float, position: int) -> None:
        self._cut()
        clip = self._clips[name]
        self._voices.append(OnceVoice(clip, ears(pan, self._pan_db, gain_db)))
        self._priority = EARCONS[name].priority
        self._last[name] = position
        self.ends_at = position + clip.size

    def _cut(self) -> None:
        for voice in self._voices:
            voice.cut(CUT_SAMPLES)
