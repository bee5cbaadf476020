"""A guide and an alarm that follow a script, for tests of supervision."""

from collections.abc import Callable

from sonar.clock import ManualClock
from sonar.service.heartbeat import Heartbeat
from sonar.service.supervisor.siren import LEAD_S


class FakeGuide:
    """A guide that works by the clock until told otherwise.

    It is loading for ``loads_s``, then guides at ``rate_hz`` with sound at 48 kHz. Assign
    ``ends_with`` to end it, ``stuck`` ("frames", "sound" or "all") to let it hang.

    Attributes:
        got: what it was asked: "terminate", "reload", "kill", "close".
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
        self.stuck = ""
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
        return [Heartbeat("guiding", frames=self._frames, samples=self._samples)]

    def exit_code(self) -> int | None:
        return self.ends_with

    def terminate(self) -> None:
        self.got.append("terminate")
        if self._obeys:
            self.ends_with = 0

    def reload(self) -> None:
        self.got.append("reload")

    def keep(self) -> None:
        self.got.append("keep")

    def kill(self, with_stacks: bool) -> None:
        self.got.append("kill with stacks" if with_stacks else "kill")
        if self.ends_with is None:
            self.ends_with = -9

    def close(self) -> None:
        self.got.append("close")


class FakeAlarm:
    """Notes what is sounded and when. Each sound lasts ``lasts_s`` of the clock.

    Attributes:
        log: (time, name), name "" for stopped.
        sounding: called for each sound as it begins, or None.
    """

    def __init__(self, clock: ManualClock, lasts_s: float = 0.46) -> None:
        self.played = 0
        self.log: list[tuple[float, str]] = []
        self.sounding: Callable[[str], None] | None = None
        self._clock, self._lasts_s = clock, lasts_s
        self._until_s: float | None = None

    def play(self, name: str) -> None:
        self.log.append((self._clock.now(), name))
        self._until_s = self._clock.now() + self._lasts_s
        if self.sounding is not None:
            self.sounding(name)

    def follow(self, name: str) -> None:
        self.played += self._until_s is not None
        self.play(name)

    def seconds(self, name: str) -> float:
        return self._lasts_s + (LEAD_S if name.startswith("failing") else 0.0)

    def busy(self) -> bool:
        if self._until_s is None:
            return False
        if self._clock.now() < self._until_s:
            return True
        self._until_s = None
        self.played += 1
        return False

    def stop(self) -> None:
        if self._until_s is not None:
            self.log.append((self._clock.now(), ""))
        self._until_s = None

    def close(self) -> None:
        self.stop()

    def heard(self, name: str) -> list[float]:
        """When ``name`` began."""
        return [t for t, what in self.log if what == name]
