"""Is the same heard as before, and is what must be heard there? Both compare event records."""

from sonar.replay.regression.checks import Checks, read_checks
from sonar.replay.regression.compare import Difference, compare, read_events

__all__ = ["Checks", "Difference", "compare", "read_checks", "read_events"]
