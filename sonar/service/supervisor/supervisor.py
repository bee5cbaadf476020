"""The parent: starts the guide, watches its heartbeat, sounds its failure, restarts it.

It imports little and holds no camera, model or sound stream, so that little can go wrong here. A
guide fails when it ends unasked, or when it makes no progress: no frame processed and no wait
announced, or no sample taken by the sound device. After ``alarm_after_s`` the failure is sounded,
after ``restart_after_s`` the guide is ended. The alarm sounds until a new guide guides.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sonar.errors import BROKEN, ConfigError, DeviceError, ModelError, SourceError
from sonar.service.heartbeat import Heartbeat

if TYPE_CHECKING:
    from sonar.ports import Clock
    from sonar.service.supervisor.alarm import Alarm
    from sonar.service.supervisor.runner import GuideProcess

AWAY_S = 0.5  # between two steps; more means that this process was not running
STEP_S = 0.05
FEED_EVERY_S = 1.0  # far more often than any watchdog asks for
BACKOFF_S = (0.1, 0.4, 1.0, 2.0)  # before the first, second, ... restart in the window
# Exit codes of a guide that is started again for minutes: the cause is outside it.
MISSING = (SourceError.exit_code, DeviceError.exit_code, BROKEN)
WORDS_FOR = {
    SourceError.exit_code: "input",
    DeviceError.exit_code: "device",
    ModelError.exit_code: "model",
}


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Times in seconds, and counts."""

    alarm_after_s: float = 0.6
    restart_after_s: float = 2.0
    reopening_s: float = 15.0  # for a guide to look for a lost sound device; the alarm sounds
    start_timeout_s: float = 40.0  # from the start to guiding
    first_heartbeat_s: float = 20.0  # from the start to a sign of life (it opens its model)
    restarts: int = 5  # at most, in a window
    restart_window_s: float = 60.0
    missing_limit_s: float = 600.0  # for a camera or sound device to come
    stop_s: float = 1.8  # for the goodbye


class Supervisor:
    """Keeps one guide running. Call :meth:`step` every STEP_S.

    Attributes:
        state: starting, guiding (or announcing why not), failed, stopping, gave_up or ended.
        reason: of the last failure, in words; "" while all is well.
        result: exit code once over, else None.
    """

    def __init__(
        self,
        launch: "Callable[[], GuideProcess]",
        alarm: "Alarm",
        clock: "Clock",
        notify: Callable[[str], None],
        log: Callable[..., None],
        limits: WatchLimits | None = None,
    ) -> None:
        self._launch, self._alarm, self._clock = launch, alarm, clock
        self._notify, self._log, self._limits = notify, log, limits or WatchLimits()
        self.restarts, self.state, self.reason = 0, "starting", ""  # restarts after failures
        self.result: int | None = None
        self.last_heartbeat: Heartbeat | None = None
        self.health: dict[str, Any] = {}  # the newest figures of the guide
        self._guide: GuideProcess | None = None
        self._stepped_s = clock.now()
        # All times below are in this one, which counts only while this process runs: a suspended
        # machine is no failure.
        self._now_s = 0.0
        self._loading_since_s: float | None = 0.0  # None while it guides
        self._restart_at_s: float | None = None
        self._failures: list[tuple[float, bool]] = []  # when; whether one of MISSING
        self._missing_since_s: float | None = None
        self._framed_s = self._worked_s = 0.0  # when frames, and frames with sound, last went on
        self._deadline_s, self._fed_s = 0.0, float("-inf")  # for stopping; systemd's watchdog
        self._exit_code = 1
        self._asked = set[int]()  # signals that wait for the guide's first heartbeat
        self._start()

    def step(self) -> None:
        """Look once and do what is due."""
        if self.result is not None:
            return
        now = self._clock.now()
        passed_s, self._stepped_s = now - self._stepped_s, now
        self._now_s += passed_s if passed_s <= AWAY_S else STEP_S
        if self._guide is not None:
            self._watch(self._guide)
        elif self._restart_at_s is not None and self._now_s >= self._restart_at_s:
            self.restarts += 1
            self._start()
        self._alarm.step()
        if self._alarm.was_heard():  # a failure that was heard is work done
            self._feed()
        if self.state == "gave_up" and not self._alarm.playing:
            self._end(self._exit_code)

    def stop(self) -> None:
        """Ask the guide to end with its goodbye."""
        if self.state in ("stopping", "ended"):
            return
        self._notify("STOPPING=1")
        self._alarm.quiet()
        self.state = "stopping"
        self._log("stopping")
        self._deadline_s = self._now_s + self._limits.stop_s
        if self._guide is None:
            self._end(0)
        else:
            self._guide.signal(signal.SIGTERM)

    def pass_on(self, number: int) -> None:
        """Give the guide a signal, once it takes some: before its first heartbeat it would end by
        it. Without a guide, the next reads its configuration anyway."""
        if self._guide is not None and self.state != "stopping":
            if self.last_heartbeat is None:
                self._asked.add(number)
            else:
                self._guide.signal(number)

    def _start(self) -> None:
        self._restart_at_s = self.last_heartbeat = None
        self._asked.clear()
        try:
            self._guide = self._launch()
        except OSError as error:  # out of processes or memory: as bad as a guide that crashed
            self._fail(f"cannot start: {error.strerror}", 1)
            return
        self._loading_since_s = self._now_s
        self._log("started", pid=self._guide.pid, restarts=self.restarts)

    def _watch(self, guide: "GuideProcess") -> None:
        for heartbeat in guide.heartbeats():
            self._take(heartbeat)
            while self._asked:
                guide.signal(self._asked.pop())
        code = guide.exit_code()
        if code is not None:
            guide.close()  # also what it started and left behind
            self._guide = None
            if self.state == "stopping" or code == 0:
                self._log("ended")
                self._end(0)
            elif code == ConfigError.exit_code:  # starting again would not mend it
                self._give_up("the configuration is wrong", code, "config")
            else:
                how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
                self._fail(how, code)
        elif self.state != "stopping":
            self._check_progress(guide)
        elif self._now_s >= self._deadline_s:
            self._log("killed_at_stop", level="warning")
            guide.close()
            self._end(0)

    def _take(self, new: Heartbeat) -> None:
        last, self.last_heartbeat = self.last_heartbeat, new
        self.health = new.health or self.health
        if new.state not in ("guiding", "degraded"):
            if self._loading_since_s is None:  # it reads its configuration again
                self._loading_since_s = self._now_s
            return
        if self._loading_since_s is not None:  # from now on progress is due
            self._loading_since_s = None
            self._worked_s = self._framed_s = self._now_s
        if last is not None:
            if new.frames + new.waits == last.frames + last.waits:
                return
            self._framed_s = self._now_s
            if new.samples is not None and new.samples == last.samples:
                return
        self._framed_s = self._worked_s = self._now_s
        if self.state in ("starting", "failed"):
            self._log("guiding", restarts=self.restarts)
            self.state, self.reason = "guiding", ""
            self._alarm.quiet()
            self._notify("READY=1")
        if new.reason != "depth_failed":
            self._missing_since_s = None
        self._feed()

    def _check_progress(self, guide: "GuideProcess") -> None:
        limits, last = self._limits, self.last_heartbeat
        if self._loading_since_s is not None:
            loading_s = self._now_s - self._loading_since_s
            if loading_s > (limits.first_heartbeat_s if last is None else limits.start_timeout_s):
                self._hung(guide, "the start takes too long")
            elif last is None and loading_s > limits.first_heartbeat_s / 2:
                self._alarm.begin()  # the very first start: nothing was heard yet
            return
        # Since both moved together: frames that come back as the sound goes are no guidance.
        stalled_s = self._now_s - self._worked_s
        what = "frames" if self._framed_s <= self._worked_s else "sound"
        # A guide that knows its sound is lost and looks for it is not helped by a new start.
        reopening = last is not None and last.reopening and what == "sound"
        if stalled_s > (limits.reopening_s if reopening else limits.restart_after_s):
            self._hung(guide, f"hangs: no progress of {what}")
        elif stalled_s > limits.alarm_after_s:
            if not self._alarm.on:
                self._log("stalled", level="warning", what=what, for_s=round(stalled_s, 3))
                self._alarm.begin()
        elif self._alarm.on and self.state == "guiding":
            self._log("recovered")
            self._alarm.quiet()

    def _feed(self) -> None:
        """Work was done: feed systemd's watchdog."""
        if self._now_s - self._fed_s >= FEED_EVERY_S:
            self._fed_s = self._now_s
            self._notify("WATCHDOG=1")

    def _hung(self, guide: "GuideProcess", why: str) -> None:
        guide.close(with_stacks=True)
        self._guide = None
        self._fail(why, 1)

    def _fail(self, why: str, code: int) -> None:
        now, limits = self._now_s, self._limits
        self.state, self.reason = "failed", why
        self._log("failed", level="error", problem=why, code=code)
        self._notify("READY=1")  # the supervisor does what it is there for
        self._alarm.begin(WORDS_FOR.get(code, "failed"))
        missing = code in MISSING
        recent = [one for one in self._failures if now - one[0] <= limits.restart_window_s]
        self._failures = [*recent, (now, missing)]
        if missing:
            self._missing_since_s = now if self._missing_since_s is None else self._missing_since_s
            too_long = now - self._missing_since_s >= limits.missing_limit_s
        else:
            self._missing_since_s = None
            too_long = sum(not outside for _, outside in self._failures) > limits.restarts
        if too_long:
            self._give_up(why, code, "gave_up")
        else:
            self._restart_at_s = now + BACKOFF_S[min(len(self._failures), len(BACKOFF_S)) - 1]

    def _give_up(self, why: str, code: int, words: str) -> None:
        self.state, self.reason = "gave_up", why
        self._exit_code = code if code > 0 else 1
        self._log("gave_up", level="error", problem=why, code=code)
        self._notify("READY=1")
        self._alarm.farewell(words)

    def _end(self, code: int) -> None:
        self._alarm.quiet()
        if self.state != "gave_up":
            self.state = "ended"
        self.result = code
