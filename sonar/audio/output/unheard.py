"""A sink for runs whose steps are all that is wanted: nothing is rendered."""

from sonar.ports import SinkStatus, Spoken
from sonar.types import Cue


class UnheardSink:
    """Takes cues and drops them."""

    label = "no sound"
    status = SinkStatus()

    def spoken(self) -> list[Spoken]:
        """Nothing is."""
        return []

    def start(self) -> None:
        """Nothing to start."""

    def post(self, cue: Cue) -> None:
        """Dropped."""

    def advance(self, t: float) -> None:
        """Nothing to render."""

    def drain(self, limit_s: float) -> None:
        """Nothing is waiting."""

    def close(self) -> None:
        """Nothing to release."""
