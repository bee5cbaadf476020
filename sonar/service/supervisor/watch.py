"""What the supervisor knows of a guide: what may be asked of it, how far it came, what it may."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sonar.service.beats import Beat

Log = Callable[..., None]


class Guide(Protocol):
    """One guiding process."""

    pid: int

    def beats(self) -> Sequence[Beat]:
        """Those that came since the last call."""

    def exit_code(self) -> int | None:
        """None while it runs; -N when signal N ended it."""

    def terminate(self) -> None:
        """Ask it to end: SIGTERM."""

    def reload(self) -> None:
        """Ask it to read its configuration again: SIGHUP."""

    def keep(self) -> None:
        """Ask it to keep its recording: SIGUSR1."""

    def kill(self, tell: bool) -> None:
        """End it and all it started at once; with ``tell`` it first says where it hangs."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, counts as they say; see ``service`` in the configuration.

    ``sign_s``: longest wait for the first sign of a guide that starts (it opens its model).
    ``regain_s``: how long a guide may look for a lost sound device, alarm sounding.
    """

    alarm_after_s: float = 0.7
    restart_after_s: float = 2.0
    regain_s: float = 15.0
    start_timeout_s: float = 40.0
    sign_s: float = 20.0
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
        """Whether ``count`` moved; None counts as standing still but never as late."""
        moved = count is not None and count != self.count
        if moved or count is None:
            self.at_s = now
        self.count = count
        return moved
