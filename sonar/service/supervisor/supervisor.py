"""The parent: starts the guide, watches its heartbeat, sounds its failure, restarts it.

It imports the standard library only and holds no camera, model or sound stream, so that little
can go wrong here.

A guide fails when it ends unasked, or when it makes no progress: no frame processed and no wait
announced, or no sample taken by the sound device. After ``alarm_after_s`` the failure is sounded,
after ``restart_after_s`` the guide is ended. The alarm sounds about once a second until a new
guide guides.
"""

import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sonar.service.heartbeat import Heartbeat

if TYPE_CHECKING:
    from sonar.ports import Clock
    from sonar.service.notify import Notifier
    from sonar.service.supervisor.alarm import Alarm
    from sonar.service.supervisor.process import GuideProcess

AWAY_S = 0.5  # between two steps; more means that this process was not running
BACKOFF_S = (0.1, 0.4, 1.0, 2.0)  # before the first, second, ... restart in the window
MISSING_PAUSE_S = 2.5  # between tries while a camera, sound device or working network is missing
# Exit codes of the guide with a cause that a person can mend (sonar.errors), and the words for it.
CONFIG, INPUT, DEVICE, MODEL = 2, 3, 4, 5
BROKEN = 6  # the network hangs or fails all the time, as on a starved machine
WORDS_FOR = {INPUT: "input", DEVICE: "device", MODEL: "model"}


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Times in seconds, and counts.

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


class Supervisor:
    """Keeps one guide running. Call :meth:`step` often, about ten times a second.

    Attributes:
        restarts: guides started after a failure.
        state: starting, guiding (or announcing that it cannot see), failed, stopping,
            gave_up or ended.
        reason: of the last failure, in words; "" while all is well.
        result: exit code once over, else None.
    """

    def __init__(
        self,
        launch: "Callable[[], GuideProcess]",
        alarm: "Alarm",
        clock: "Clock",
        notifier: "Notifier",
        log: Callable[..., None],
        limits: WatchLimits | None = None,
    ) -> None:
        self._launch, self._alarm, self._clock = launch, alarm, clock
        self._notifier, self._log, self._limits = notifier, log, limits or WatchLimits()
        self.restarts = 0
        self.state = "starting"
        self.reason = ""
        self.result: int | None = None
        self.last_heartbeat: Heartbeat | None = None
        self.health: dict[str, Any] = {}
        self._guide: GuideProcess | None = None
        self._loading_since_s: float | None = 0.0  # None while it guides
        self._restart_at_s: float | None = None
        self._failures_s: deque[float] = deque()
        self._missing_since_s: float | None = None
        self._counts: dict[str, int | None] = {}  # of "frames" and "sound"
        self._moved_s: dict[str, float] = {}  # when each last went on
        self._worked_s = 0.0  # when both last went on together
        self._stepped_s = clock.now()
        self._deadline_s: float | None = None  # for stopping
        self._exit_code = 1
        self._start()

    def step(self) -> None:
        """Look once and do what is due."""
        if self.result is not None:
            return
        now = self._clock.now()
        self._shift_times(now - self._stepped_s)
        self._stepped_s = now
        if self._guide is not None:
            self._watch(self._guide, now)
        elif self._restart_at_s is not None and now >= self._restart_at_s:
            self.restarts += 1
            self._start()
        self._alarm.step()
        if self._alarm.was_heard():  # a failure that was heard is work done
            self._notifier.progress()
        if self.state == "gave_up" and not self._alarm.playing:
            self._end(self._exit_code)

    def stop(self) -> None:
        """Ask the guide to end with its goodbye; it has ``stop_s``."""
        if self.state in ("stopping", "ended"):
            return
        self._notifier.stopping()
        self._alarm.quiet()
        self.state = "stopping"
        self._log("stopping")
        if self._guide is None:
            self._end(0)
            return
        self._guide.signal(signal.SIGTERM)
        self._deadline_s = self._clock.now() + self._limits.stop_s

    def pass_on(self, number: int) -> None:
        """Give the guide a signal; without one, the next reads its configuration anyway."""
        if self._guide is not None and self.state != "stopping":
            self._guide.signal(number)

    def _shift_times(self, away_s: float) -> None:
        """While this process did not run (suspended, starved), the guide did not run either: that
        time does not count."""
        if away_s <= AWAY_S:
            return
        self._worked_s += away_s
        self._moved_s = {what: at_s + away_s for what, at_s in self._moved_s.items()}
        if self._loading_since_s is not None:
            self._loading_since_s += away_s

    # -- the guide ---------------------------------------------------------------------------

    def _start(self) -> None:
        now = self._clock.now()
        self._restart_at_s = self.last_heartbeat = None
        try:
            self._guide = self._launch()
        except OSError as error:  # out of processes or memory: as bad as a guide that crashed
            self._log("launch_failed", level="error", problem=str(error))
            self._fail(f"cannot start: {error.strerror}", 1, now)
            return
        self._loading_since_s = now
        self._counts = {}
        self._log("started", pid=self._guide.pid, restarts=self.restarts)
        self._notifier.status("starting")

    def _watch(self, guide: "GuideProcess", now: float) -> None:
        for heartbeat in guide.heartbeats():
            self._take(heartbeat, now)
        code = guide.exit_code()
        if code is not None:
            guide.close()  # also what it started and left behind
            self._guide = None
            self._ended(code, now)
        elif self.state == "stopping":
            if self._deadline_s is not None and now >= self._deadline_s:
                self._log("killed_at_stop", level="warning")
                guide.close()
                self._end(0)
        else:
            self._check_progress(guide, now)

    def _take(self, heartbeat: Heartbeat, now: float) -> None:
        frames = self._has_moved("frames", heartbeat.frames + heartbeat.waits, now)
        sound = self._has_moved("sound", heartbeat.samples, now)
        self.health = heartbeat.health or self.health
        self.last_heartbeat = heartbeat
        if heartbeat.state not in ("guiding", "degraded"):
            if self._loading_since_s is None:  # it reads its configuration again
                self._loading_since_s = now
            return
        if self._loading_since_s is not None:  # from now on progress is due
            self._loading_since_s = None
            self._worked_s = self._moved_s["frames"] = self._moved_s["sound"] = now
        if not (frames and (sound or heartbeat.samples is None)):
            return
        self._worked_s = now
        if self.state in ("starting", "failed"):
            self._log("guiding", restarts=self.restarts)
            self.state, self.reason = "guiding", ""
            self._alarm.quiet()
            self._notifier.ready()
        if heartbeat.reason != "depth_failed":
            self._missing_since_s = None
        self._notifier.progress()
        self._notifier.status(f"{heartbeat.state} {heartbeat.reason}".strip())

    def _has_moved(self, what: str, count: int | None, now: float) -> bool:
        """Whether ``count`` went on; None (no sound device) never counts as late."""
        moved = count is not None and count != self._counts.get(what)
        self._counts[what] = count
        if moved or count is None:
            self._moved_s[what] = now
        return moved

    def _check_progress(self, guide: "GuideProcess", now: float) -> None:
        limits, last = self._limits, self.last_heartbeat
        if self._loading_since_s is not None:
            loading_s = now - self._loading_since_s
            if loading_s > (limits.first_heartbeat_s if last is None else limits.start_timeout_s):
                self._hung(guide, "the start takes too long", now)
            elif last is None and loading_s > limits.first_heartbeat_s / 2:
                self._alarm.begin()  # the very first start: nothing was heard yet
            return
        # Since both moved together: frames that come back as the sound goes are no guidance.
        stalled_s = now - self._worked_s
        what = "frames" if self._moved_s["frames"] <= self._moved_s["sound"] else "sound"
        # A guide that knows its sound is lost and looks for it is not helped by a new start.
        reopening = last is not None and last.reopening and what == "sound"
        if stalled_s > (limits.reopening_s if reopening else limits.restart_after_s):
            self._hung(guide, f"hangs: no progress of {what}", now)
        elif stalled_s > limits.alarm_after_s:
            if not self._alarm.on:
                self._log("stalled", level="warning", what=what, for_s=round(stalled_s, 3))
                self._alarm.begin()
        elif self._alarm.on and self.state == "guiding":
            self._log("recovered")
            self._alarm.quiet()

    def _hung(self, guide: "GuideProcess", why: str, now: float) -> None:
        guide.close(with_stacks=True)
        self._guide = None
        self._fail(why, 1, now)

    def _ended(self, code: int, now: float) -> None:
        if self.state == "stopping" or code == 0:
            self._log("ended")
            self._end(0)
        elif code == CONFIG:  # starting again would not mend it
            self._give_up("the configuration is wrong", code, "config")
        else:
            why = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            self._fail(why, code, now)

    # -- failing and giving up ----------------------------------------------------------------

    def _fail(self, why: str, code: int, now: float) -> None:
        self.state, self.reason = "failed", why
        self._log("failed", level="error", problem=why, code=code)
        self._notifier.status(f"failed: {why}")
        self._notifier.ready()  # the supervisor does what it is there for
        self._alarm.begin(WORDS_FOR.get(code, "failed"))
        if code in (INPUT, DEVICE, BROKEN):
            self._missing_since_s = now if self._missing_since_s is None else self._missing_since_s
            too_long = now - self._missing_since_s >= self._limits.missing_limit_s
            pause_s = MISSING_PAUSE_S
        else:
            self._missing_since_s = None
            self._failures_s.append(now)
            while now - self._failures_s[0] > self._limits.restart_window_s:
                self._failures_s.popleft()
            count = len(self._failures_s)
            too_long = count > self._limits.restarts
            pause_s = BACKOFF_S[min(count, len(BACKOFF_S)) - 1]
        if too_long:
            self._give_up(why, code, "gave_up")
        else:
            self._restart_at_s = now + pause_s

    def _give_up(self, why: str, code: int, words: str) -> None:
        self.state, self.reason = "gave_up", why
        self._exit_code = code if code > 0 else 1
        self._log("gave_up", level="error", problem=why, code=code)
        self._notifier.status(f"gave up: {why}")
        self._notifier.ready()
        self._alarm.farewell(words)

    def _end(self, code: int) -> None:
        self._alarm.quiet()
        if self.state != "gave_up":
            self.state = "ended"
        self.result = code
