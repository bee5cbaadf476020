"""What the supervisor knows of a guide: what can be asked of it, its limits and its progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sonar.service.heartbeat import Heartbeat

Log = Callable[..., None]


class GuideProgress(Protocol):
    """One guiding process."""

    pid: int

    def heartbeats(self) -> Sequence[Heartbeat]:
        """Those that came since the last call."""

    def exit_code(self) -> int | None:
        """None while it runs; -N when signal N ended it."""

    def terminate(self) -> None:
        """Ask it to end: SIGTERM."""

    def reload(self) -> None:
        """Ask it to read its configuration again: SIGHUP."""

    def keep(self) -> None:
        """Ask it to keep its recording: SIGUSR1."""

    def kill(self, with_stacks: bool) -> None:
        """End it and all it started; ``with_stacks``, it first logs the stack of each thread."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Times in seconds, and counts; see ``service`` in the configuration.

    Attributes:
        first_heartbeat_s: longest wait for it after a start (the guide opens its model).
        reopening_s: how long a guide may look for a lost sound device, while the alarm sounds.
    """

    alarm_after_s: float = 0.6
    restart_after_s: float = 2.0
    reopening_s: float = 15.0
    start_timeout_s: float = 40.0
    first_heartbeat_s: float = 20.0
    restarts: int = 5
    restart_window_s: float = 60.0
    missing_limit_s: float = 600.0
    stop_s: float = 1.8


class Progress:
    """When something last moved forward."""

    def __init__(self, now: float) -> None:
        self.at_s = now
        self.count: int | None = None

    def note(self, count: int | None, now: float) -> bool:
        """Whether ``count`` moved; None (no sound device) never counts as late."""
        moved = count is not None and count != self.count
        if moved or count is None:
            self.at_s = now
        self.count = count
        return moved
