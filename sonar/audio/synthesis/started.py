"""When cues became sound."""

import numpy as np

from sonar.types import Cue

_STARTED = 1024


class Started:
    """When cues became sound: the last 1024, written by the renderer, read by the sink.

    Attributes:
        count: how many were written in all; entry ``i`` lies at ``i % 1024``.
        sample: int64, index of the first sample that carries the cue.
        t: float64, the cue's source time in seconds.
        frame_id: int64.
    """

    def __init__(self) -> None:
        self.count = 0
        self.sample = np.zeros(_STARTED, np.int64)
        self.t = np.zeros(_STARTED)
        self.frame_id = np.full(_STARTED, -1, np.int64)

    def add(self, sample: int, cue: Cue) -> None:
        """Note one; the oldest is forgotten."""
        slot = self.count % _STARTED
        self.sample[slot], self.t[slot], self.frame_id[slot] = sample, cue.t, cue.frame_id
        self.count += 1
