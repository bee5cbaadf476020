"""A supervisor over fake guides and an alarm that plays nothing, on a clock of its own."""

import signal
from collections.abc import Sequence
from typing import Any, ClassVar

from sonar.clock import ManualClock
from sonar.service.heartbeat import Heartbeat
from sonar.service.supervisor.alarm import LEAD_S, Alarm
from sonar.service.supervisor.supervisor import STEP_S, Supervisor, WatchLimits


class FakeGuide:
    """A guide that works by the clock.

    It is loading for ``loads_s``, then guides at 20 Hz with sound at 48 kHz. Assign ``ends_with``
    to end it, ``stuck`` ("frames", "sound" or "all") to let it hang, ``reason``
    to degrade it. ``got`` is what it was asked.
    """

    def __init__(
        self, clock: ManualClock, pid: int, loads_s: float = 1.0, obeys: bool = True
    ) -> None:
        self.pid = pid
        self.got: list[str] = []
        self.ends_with: int | None = None
        self.stuck = self.reason = ""
        self._clock = clock
        self._born_s = clock.now()
        self._loads_s, self._obeys = loads_s, obeys
        self._frames = self._samples = 0

    def heartbeats(self) -> list[Heartbeat]:
        if self.ends_with is not None or self.stuck == "all":
            return []
        age_s = self._clock.now() - self._born_s
        if self.stuck != "sound":
            self._samples = int(age_s * 48_000)
        if age_s < self._loads_s:
            return [Heartbeat("loading", samples=self._samples)]
        if self.stuck != "frames":
            self._frames = int((age_s - self._loads_s) * 20.0)
        if self.stuck == "frames":
            return []  # heartbeats come with frames
        state = "degraded" if self.reason else "guiding"
        return [Heartbeat(state, self.reason, frames=self._frames, samples=self._samples)]

    def exit_code(self) -> int | None:
        return self.ends_with

    def signal(self, number: int) -> None:
        self.got.append(signal.Signals(number).name)
        if number == signal.SIGTERM and self._obeys:
            self.ends_with = 0

    def close(self, with_stacks: bool = False) -> None:
        self.got.append("close with stacks" if with_stacks else "close")
        if self.ends_with is None:
            self.ends_with = -9


class FakePlayer:
    """A player process that ends by the clock."""

    pid = 1 << 30  # of no process

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self.began_s = clock.now()
        self._clock, self._ends_s = clock, clock.now() + seconds

    def poll(self) -> int | None:
        return None if self._clock.now() < self._ends_s else 0

    def wait(self, timeout: float | None = None) -> int:
        return 0


class FakeAlarm(Alarm):
    """The alarm over players that play nothing; ``log`` has (time, name) of each sound that began,
    name "" for silence."""

    SECONDS: ClassVar = {"failed": 0.46, "failing": 4.2, "gave_up": 1.05}

    def __init__(self, clock: ManualClock) -> None:
        self.log: list[tuple[float, str]] = []
        sounds = {name: (number, s) for number, (name, s) in enumerate(self.SECONDS.items())}
        for words in ("failed", "input", "device", "model", "config", "gave_up"):
            sounds[f"failing:{words}"] = (len(sounds), 7.0)
            sounds[f"gave_up:{words}"] = (len(sounds), 3.0)
        super().__init__(clock, sounds, [["player"]], lambda *_, **__: None)
        self._names = {number: name for name, (number, _) in sounds.items()}

    def _start(self, command: Sequence[str], fd: int) -> Any:
        self.log.append((self._clock.now(), self._names[fd]))
        return FakePlayer(self._clock, self._sounds[self._names[fd]][1])

    def quiet(self) -> None:
        if self.playing:
            self.log.append((self._clock.now(), ""))
        super().quiet()

    def sounds_now(self) -> bool:
        """Whether something is heard; a long sound begins with silence."""
        now = self._clock.now()
        for player in self._players:
            lead_s = LEAD_S if player.name == "failing" else 0.0
            if now >= player.process.began_s + lead_s and player.process.poll() is None:
                return True
        return False

    def heard(self, name: str) -> list[float]:
        """When ``name`` began."""
        return [t for t, what in self.log if what == name]


class World:
    """A supervisor over fake guides."""

    def __init__(self, limits: WatchLimits | None = None, **guide: Any) -> None:
        self.clock = ManualClock(1000.0)
        self.alarm = FakeAlarm(self.clock)
        self.guides: list[FakeGuide] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.messages: list[tuple[float, str]] = []
        self.cannot_launch = 0
        self.guide_options = guide
        self.on_launch: list[Any] = []
        self.supervisor = Supervisor(
            self._launch,
            self.alarm,
            self.clock,
            lambda message: self.messages.append((self.clock.now(), message)),
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

    def sent(self, message: str) -> list[float]:
        """When systemd was sent it."""
        return [t for t, what in self.messages if what == message]

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.clock.advance(STEP_S)
            self.supervisor.step()

    @property
    def guide(self) -> FakeGuide:
        return self.guides[-1]
