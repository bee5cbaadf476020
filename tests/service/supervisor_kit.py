"""A supervisor over fake guides, on a clock of its own."""

from dataclasses import dataclass, field
from typing import Any

from fake_guide import FakeAlarm, FakeGuide

from sonar.clock import ManualClock
from sonar.service.notify import Notifier
from sonar.service.supervisor.supervisor import Supervisor, WatchLimits

STEP_S = 0.05


@dataclass
class Told(Notifier):
    """Notes what is sent to systemd."""

    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(ManualClock(), {})
        self.fed: list[float] = []
        self.clock: ManualClock | None = None

    def _send(self, message: str) -> None:
        self.messages.append(message)

    def progress(self) -> None:
        assert self.clock is not None
        self.fed.append(self.clock.now())


class World:
    """A supervisor over fake guides."""

    def __init__(self, limits: WatchLimits | None = None, **guide: Any) -> None:
        self.clock = ManualClock(1000.0)
        self.alarm = FakeAlarm(self.clock)
        self.guides: list[FakeGuide] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.notifier = Told()
        self.notifier.clock = self.clock
        self.cannot_launch = 0
        self.guide_options = guide
        self.on_launch: list[Any] = []
        self.supervisor = Supervisor(
            self._launch,
            self.alarm,
            self.clock,
            self.notifier,
            lambda event, **fields: self.logged.append((event, fields)),
            limits,
        )

    def _launch(self) -> FakeGuide:
        if self.cannot_launch:
            self.cannot_launch -= 1
            raise OSError(11, "Resource temporarily unavailable")
        guide = FakeGuide(self.clock, 100 + len(self.guides), **self.guide_options)
        self.guides.append(guide)
        for act in self.on_launch:
            act(guide)
        return guide

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.clock.advance(STEP_S)
            self.supervisor.step()

    @property
    def guide(self) -> FakeGuide:
        return self.guides[-1]
