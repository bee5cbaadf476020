"""The tracks that follow a cue while it lasts: pulses, a steady tone, the scan.

``add`` adds a quantum to the bus and returns whether there was anything to add.
"""

from sonar.audio.synthesis import waves
from sonar.audio.synthesis.voices import OnceVoice, ToneVoice, add_all
from sonar.audio.synthesis.waves import CUT_SAMPLES, QUANTUM, Samples, ears
from sonar.config import AudioConfig
from sonar.types import Column, Cue, Priority

HIGHEST_RATE_HZ = 20.0
_ATTACK_S = 0.004
_RELEASE_S = 0.025  # the ramp at the end of a pulse, and of a steady tone
_SHORTEST_GAP_S = 0.06  # between two pulses when the side changes
_PITCH_STEP, _PAN_STEP = 1.06, 0.3  # a larger change is another sound, and heard at once
_MONO_GLIDE = 0.4  # for one ear a pulse falls (left) or rises (right) by this share of its pitch

GATE_S = 1.0  # one steady tone and one pause
WARBLE_DEPTH = 0.12  # a changing pitch says danger; no other sound warbles

PERIOD_S, SWEEP_S = 1.0, 0.8  # of a scan; the rest is a pause, so that the beginning is heard
LOWEST_HZ, HIGHEST_HZ = 250.0, 1000.0  # the lower and the upper edge of the frame
FAINTEST_DB = -30.0  # an obstacle at the far edge; 0 dB when touching


def _is_same_sound(before: Cue, after: Cue) -> bool:
    low, high = sorted((before.pitch_hz, after.pitch_hz))
    return high <= _PITCH_STEP * low and abs(before.pan - after.pan) < _PAN_STEP


class PulseTrack:
    """Strikes pulses on schedule; a change of side or pitch is heard at once.

    A pulse fills at most the share ``duty`` of its period: the street is heard in between.
    """

    def __init__(self, audio: AudioConfig, pan_db: float, duty: float) -> None:
        self._rate_hz, self._pan_db, self._duty = audio.rate_hz, pan_db, duty
        self._glide = (-_MONO_GLIDE if audio.swap_sides else _MONO_GLIDE) if audio.mono else 0.0
        self._voices: list[OnceVoice] = []
        self._cue: Cue | None = None
        self._last = -1e12  # onset of the last pulse, in samples
        self._next = 0.0
        self._changed = False  # the present side and pitch have not been struck yet

    def set(self, cue: Cue | None) -> None:
        """Pulse like ``cue`` from now on; None lets the last pulse ring out."""
        before, self._cue = self._cue, cue
        if cue is None:
            return
        if before is not None and _is_same_sound(before, cue):
            regular = self._last + self._period(cue)
            # A change stays due at once, though the rate changes before its first pulse.
            self._next = min(self._next, regular) if self._changed else regular
            return
        self._changed = True
        for voice in self._voices:
            voice.cut(CUT_SAMPLES)
        self._next = self._last + _SHORTEST_GAP_S * self._rate_hz

    def add(self, bus: Samples, position: int, not_before: int) -> bool:
        """No pulse begins before the sample ``not_before``."""
        cue = self._cue
        if cue is not None:
            due = max(self._next, position - 1.0, float(not_before))
            onset = int(due + 0.5)
            if onset < position + QUANTUM:
                self._strike(cue, max(0, onset - position))
                self._last, self._next = due, due + self._period(cue)
                self._changed = False
        return add_all(self._voices, bus)

    def _period(self, cue: Cue) -> float:
        return self._rate_hz / min(cue.rate_hz, HIGHEST_RATE_HZ)

    def _strike(self, cue: Cue, offset: int) -> None:
        release = round(_RELEASE_S * self._rate_hz)
        length = round(min(waves.LONGEST_PULSE_S * self._rate_hz, self._duty * self._period(cue)))
        length = max(length, 2 * release)
        bend = 0.5 * cue.pan * self._glide / length
        clip = waves.pulse(self._rate_hz, min(cue.pitch_hz, waves.HIGHEST_PITCH_HZ), bend)[:length]
        gains = ears(cue.pan, self._pan_db, cue.level_db)
        attack = round(_ATTACK_S * self._rate_hz)
        self._voices.append(OnceVoice(clip, gains, attack=attack, release=release, offset=offset))


class ToneTrack:
    """A gated tone: it sounds for ``duty`` of every second, and at once after a change.

    In its pauses the street is heard. A danger has no pauses.
    """

    def __init__(self, rate_hz: int, pan_db: float, duty: float) -> None:
        self._voice, self._pan_db = ToneVoice(rate_hz), pan_db
        self._period = round(GATE_S * rate_hz)
        self._open = round((duty * GATE_S - _RELEASE_S) * rate_hz) if duty < 1.0 else self._period
        self._cue: Cue | None = None
        self._since = 0  # sample at which the tone began

    def set(self, cue: Cue | None, position: int) -> None:
        """Sound like ``cue`` from the quantum at ``position`` on; None fades out."""
        before, self._cue = self._cue, cue
        if cue is None:
            self._voice.release()
            return
        same = before is not None and before.priority is cue.priority
        if before is None or not (same and _is_same_sound(before, cue)):
            self._since = position
        if self._sounds(cue, position):
            self._sound(cue)

    def add(self, bus: Samples, position: int) -> bool:
        cue = self._cue
        if cue is not None and cue.priority is not Priority.DANGER:
            if position - self._since >= self._period:
                self._since += self._period
                self._sound(cue)
            if not self._sounds(cue, position):
                self._voice.release()
        return self._voice.add(bus)

    def _sounds(self, cue: Cue, position: int) -> bool:
        return cue.priority is Priority.DANGER or position - self._since < self._open

    def _sound(self, cue: Cue) -> None:
        warble = WARBLE_DEPTH if cue.priority is Priority.DANGER else 0.0
        self._voice.set(cue.pitch_hz, ears(cue.pan, self._pan_db, cue.level_db), warble)


class ScanTrack:
    """The frame from left to right once a second, for exploring by ear.

    After The vOICe (Meijer 1992), on depth instead of brightness: time and side say where, pitch
    how high up in the frame, loudness how near.
    """

    def __init__(self, rate_hz: int, pan_db: float) -> None:
        self._voice, self._pan_db = ToneVoice(rate_hz), pan_db
        self._period, self._sweep = round(PERIOD_S * rate_hz), round(SWEEP_S * rate_hz)
        self._columns: tuple[Column, ...] = ()
        self._begun = 0

    def set(self, cue: Cue | None, position: int) -> None:
        """Scan ``cue.columns`` from ``position`` on; new columns are taken up on the way."""
        if cue is None:
            self._voice.release()
        elif not self._columns:
            self._begun = position
        self._columns = () if cue is None else cue.columns

    def add(self, bus: Samples, position: int) -> bool:
        if self._columns:
            count = len(self._columns)
            index = (position - self._begun) % self._period * count // self._sweep
            if index < count and self._columns[index].proximity > 0.0:
                self._sound(self._columns[index], pan=2.0 * (index + 0.5) / count - 1.0)
            else:
                self._voice.release()
        return self._voice.add(bus)

    def _sound(self, column: Column, pan: float) -> None:
        pitch_hz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** column.elevation
        gain_db = FAINTEST_DB * (1.0 - column.proximity)
        self._voice.set(pitch_hz, ears(pan, self._pan_db, gain_db))
