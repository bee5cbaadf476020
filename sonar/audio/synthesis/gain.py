"""A gain that never jumps."""

import numpy as np

from sonar.audio.synthesis.synth import Samples
from sonar.audio.synthesis.tables import QUANTUM, RAMP, approach


class RampedGain:
    """Scales a stereo bus; a new gain is reached evenly, over whole quanta.

    Attributes:
        value: what the coming quantum begins with.
    """

    def __init__(self, value: float) -> None:
        self.value = self._target = value
        self._step = 0.0
        self._scratch = np.zeros(QUANTUM, np.float32)

    def aim(self, target: float, quanta: int) -> None:
        """Head for ``target``; aiming at the same again changes nothing."""
        if target != self._target:
            self._target, self._step = target, abs(target - self.value) / quanta

    def apply(self, bus: Samples, silent: bool = False) -> None:
        """Scale one quantum, float32 ``(2, QUANTUM)``, in place.

        ``silent`` saves the work where the bus is all zeros.
        """
        before = self.value
        if before == self._target:
            if before != 1.0 and not silent:
                np.multiply(bus, before, out=bus)
            return
        self.value = approach(before, self._target, self._step)
        if not silent:
            np.multiply(RAMP, self.value - before, out=self._scratch)
            np.add(self._scratch, before, out=self._scratch)
            for ear in bus:
                np.multiply(ear, self._scratch, out=ear)
