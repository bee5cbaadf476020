"""The two tracks of short sounds: pulses that repeat, earcons that are played once."""

from collections import deque

from sonar.audio.synthesis.earcons import EARCONS
from sonar.audio.synthesis.harmonics import PulseWaves
from sonar.audio.synthesis.panning import Panning
from sonar.audio.synthesis.primitives import Samples, db_to_gain
from sonar.audio.synthesis.quantum import QUANTUM, Envelopes
from sonar.audio.synthesis.voices import ClipVoice, PulseVoice, add_active
from sonar.types import Cue, Priority

HIGHEST_RATE_HZ = 20.0
LONGEST_PULSE_S = 0.12

_CUT_QUANTA = 2  # 10 ms
_KEPT_PITCHES = 4  # pulses that are kept though no voice plays them; a walk has three heights
_SHORTEST_GAP_S = 0.06  # between two pulses when the side changes
_SIDE_STEP = 0.3  # of pan: more than that is another side
_WAITING_S = 2.0  # an earcon that could not start by then is dropped
_NEVER = -(10**12)


class PulseTrack:
    """Strikes pulses on schedule; a change of side or pitch is heard at once.

    Args:
        duty: share of its period that a pulse may fill: the street is heard in between.
        side_glide: the side for one ear: by which share of itself the pitch of a pulse falls
            (left) or rises (right).
    """

    def __init__(
        self,
        rate_hz: int,
        envelopes: Envelopes,
        panning: Panning,
        duty: float,
        side_glide: float = 0.0,
    ) -> None:
        self._rate_hz, self._panning, self._side_glide = rate_hz, panning, side_glide
        self._duty = duty
        fade, count = envelopes.fade(_CUT_QUANTA), _CUT_QUANTA + 2
        waves = PulseWaves(rate_hz, envelopes, count + _KEPT_PITCHES)
        self._voices = [PulseVoice(rate_hz, envelopes, fade, waves) for _ in range(count)]
        self._cue: Cue | None = None
        self._last = float(_NEVER)  # onset of the last pulse, in samples
        self._next = 0.0
        self._changed = False  # the present side and pitch have not been struck yet

    def set(self, cue: Cue | None, position: int) -> None:
        """Pulse like ``cue`` from ``position`` on; None lets the last pulse ring out."""
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
            voice.cut()
        self._next = self._last + _SHORTEST_GAP_S * self._rate_hz

    def add(self, bus: Samples, position: int, not_before: int) -> bool:
        """One quantum into ``bus``; no pulse begins before the sample ``not_before``.

        Returns whether there was anything to add.
        """
        cue = self._cue
        if cue is not None:
            due = max(self._next, position - 1.0, float(not_before))
            onset = int(due + 0.5)
            if onset < position + QUANTUM:
                self._strike(cue, max(0, onset - position))
                self._last, self._next = due, due + self._period(cue)
                self._changed = False
        return add_active(self._voices, bus)

    def _period(self, cue: Cue) -> float:
        return self._rate_hz / min(cue.rate_hz, HIGHEST_RATE_HZ)

    def _strike(self, cue: Cue, offset: int) -> None:
        free = next((voice for voice in self._voices if not voice.active), None)
        if free is None:
            return
        gain = db_to_gain(cue.level_db)
        length_s = min(LONGEST_PULSE_S, self._duty / min(cue.rate_hz, HIGHEST_RATE_HZ))
        ears = self._panning.ears(cue.pan).scaled(gain)
        free.start(offset, cue.pitch_hz, length_s, ears, cue.pan * self._side_glide)


class EarconTrack:
    """One earcon at a time: a higher priority cuts in, equals wait their turn.

    Attributes:
        ends_at: sample at which the earcon now playing ends; pulses wait for it.
    """

    def __init__(
        self, clips: dict[str, Samples], rate_hz: int, envelopes: Envelopes, panning: Panning
    ) -> None:
        self._clips, self._rate_hz, self._panning = clips, rate_hz, panning
        fade = envelopes.fade(_CUT_QUANTA)
        self._voices = [ClipVoice(fade, 1) for _ in range(_CUT_QUANTA + 2)]
        self._voice: ClipVoice | None = None
        self._priority = Priority.IDLE
        self._waiting: deque[tuple[str, float, float, int]] = deque(maxlen=4)
        self._repeated: Cue | None = None
        self._last: dict[str, int] = dict.fromkeys(clips, _NEVER)
        self.ends_at = 0

    @property
    def busy(self) -> bool:
        """An earcon is sounding or waiting."""
        return bool(self._waiting) or (self._voice is not None and self._voice.active)

    def play(self, name: str, pan: float, gain_db: float, position: int) -> None:
        """Play it once, as soon as nothing more important sounds."""
        self._waiting.append((name, pan, gain_db, position))

    def repeat(self, cue: Cue | None, position: int) -> None:
        """Repeat ``cue.earcon`` at ``cue.rate_hz``; None, or a rate of 0, ends that."""
        self._repeated = cue if cue is not None and cue.rate_hz > 0.0 else None

    def give_way(self, priority: Priority) -> None:
        """Fade out what matters less than ``priority``."""
        if self._voice is not None and self._priority < priority:
            self._voice.cut()
            self.ends_at = 0

    def add(self, bus: Samples, position: int) -> bool:
        """One quantum into ``bus``; whether there was anything to add."""
        if self._waiting:
            self._start_waiting(position)
        if self._repeated is not None:
            self._start_repeated(position)
        return add_active(self._voices, bus)

    def _start_waiting(self, position: int) -> None:
        for _ in range(len(self._waiting)):
            name, pan, gain_db, since = self._waiting.popleft()
            if self._free_for(name):
                self._begin(name, pan, gain_db, position)
            elif position - since < _WAITING_S * self._rate_hz:
                self._waiting.append((name, pan, gain_db, since))

    def _start_repeated(self, position: int) -> None:
        cue = self._repeated
        if cue is None or cue.earcon is None:
            return
        due = self._last[cue.earcon] + self._rate_hz / cue.rate_hz
        if position + QUANTUM > due and self._free_for(cue.earcon):
            self._begin(cue.earcon, cue.pan, cue.level_db, position)

    def _free_for(self, name: str) -> bool:
        playing = self._voice is not None and self._voice.active and not self._voice.fading
        return not playing or EARCONS[name].priority > self._priority

    def _begin(self, name: str, pan: float, gain_db: float, position: int) -> None:
        free = next((voice for voice in self._voices if not voice.active), None)
        if free is None:
            return
        if self._voice is not None:
            self._voice.cut()
        gain = db_to_gain(gain_db)
        clip = self._clips[name]
        free.start(clip, self._panning.ears(pan).scaled(gain))
        self._voice, self._priority = free, EARCONS[name].priority
        self._last[name] = position
        self.ends_at = position + clip.size


def _is_same_sound(before: Cue, after: Cue) -> bool:
    same_pitch = max(before.pitch_hz, after.pitch_hz) <= 1.06 * min(before.pitch_hz, after.pitch_hz)
    return same_pitch and abs(before.pan - after.pan) < _SIDE_STEP
