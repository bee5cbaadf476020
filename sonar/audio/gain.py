"""A gain that never jumps."""

import numpy as np

from sonar.audio.synth import Samples
from sonar.audio.voices import QUANTUM, add_ramped, approach


class RampedGain:
    """Scales a stereo bus; a new gain is reached evenly, over whole quanta.

    Attributes:
        value: what the coming quantum begins with.
    """

    def __init__(self, value: float) -> None:
        self.value = self._target = value
        self._step = 0.0
        self._wave = np.zeros(QUANTUM, np.float32)
        self._scratch = np.zeros(QUANTUM, np.float32)

    def aim(self, target: float, quanta: int) -> None:
        """Head for ``target``; aiming at the same again changes nothing."""
        if target != self._target:
            self._target, self._step = target, abs(target - self.value) / quanta

    def apply(self, bus: Samples) -> None:
        """Scale one quantum, float32 ``(2, QUANTUM)``, in place."""
        before = self.value
        self.value = approach(before, self._target, self._step)
        if before == self.value == 1.0:
            return
        for ear in bus:
            self._wave[:] = ear
            ear[:] = 0.0
            add_ramped(ear, self._wave, self._scratch, before, self.value)
