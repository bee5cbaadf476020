"""A guide and an alarm that follow a script, for tests of supervision."""

import signal
from collections.abc import Sequence
from typing import Any, ClassVar

from sonar.clock import ManualClock
from sonar.service.heartbeat import Heartbeat
from sonar.service.supervisor.alarm import LEAD_S, Alarm


class FakeGuide:
    """A guide that works by the clock until told otherwise.

    It is loading for ``loads_s``, then guides at ``rate_hz`` with sound at 48 kHz. Assign
    ``ends_with`` to end it, ``stuck`` ("frames", "sound" or "all") to let it hang, ``reason`` to
    degrade it.

    Attributes:
        got: what it was asked: names of signals, "close".
    """

    def __init__(
        self,
        clock: ManualClock,
        pid: int,
        loads_s: float = 1.0,
        rate_hz: float = 20.0,
        obeys: bool = True,
    ) -> None:
        self.pid = pid
        self.got: list[str] = []
        self.ends_with: int | None = None
        self.stuck = self.reason = ""
        self._clock = clock
        self._born_s = clock.now()
        self._loads_s, self._rate_hz = loads_s, rate_hz
        self._obeys = obeys
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
            self._frames = int((age_s - self._loads_s) * self._rate_hz)
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
    """The alarm over players that play nothing.

    Attributes:
        log: (time, name) of each sound that began, name "" for silence asked for.
    """

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
