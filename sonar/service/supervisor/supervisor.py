"""The parent: starts the guide, watches its heartbeat, sounds its failure, restarts it.

It imports the standard library only and holds no camera, model or sound stream, so that little
can go wrong here. :class:`Supervisor` decides; processes, sounds and time come in through
:mod:`sonar.service.supervisor.watch`, :class:`~sonar.service.supervisor.alarm.Alarm` and
a clock.

A guide fails when it ends unasked, or when it makes no progress: no frame processed and no wait
announced, or no sample taken by the sound device. After ``alarm_after_s`` the failure is sounded,
after ``restart_after_s`` the guide is ended. The alarm sounds about once a second until a new
guide guides.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sonar.service.heartbeat import Heartbeat
from sonar.service.supervisor.siren import Siren
from sonar.service.supervisor.watch import GuideProgress, Log, Progress, WatchLimits

if TYPE_CHECKING:
    from sonar.ports import Clock
    from sonar.service.notify import Notifier
    from sonar.service.supervisor.alarm import Alarm

AWAY_S = 0.5  # between two steps; more means that this process was not running
BACKOFF_S = (0.1, 0.4, 1.0, 2.0)  # before the first, second, ... restart in the window
MISSING_PAUSE_S = 2.5  # between tries while a camera or sound device is missing
# Exit codes of the guide with a cause that a person can mend (sonar.errors), and the words for it.
CONFIG, INPUT, DEVICE, MODEL = 2, 3, 4, 5
WORDS_FOR = {INPUT: "input", DEVICE: "device", MODEL: "model"}


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
        launch: Callable[[], GuideProgress],
        alarm: "Alarm",
        clock: "Clock",
        notifier: "Notifier",
        log: Log,
        limits: WatchLimits | None = None,
    ) -> None:
        self._launch = launch
        self._alarm = alarm
        self._siren = Siren(alarm)
        self._clock = clock
        self._notifier = notifier
        self._log = log
        self._limits = limits or WatchLimits()
        self.restarts = 0
        self.state = "starting"
        self.reason = ""
        self.result: int | None = None
        self.last_heartbeat: Heartbeat | None = None
        self.health: dict[str, Any] = {}
        self._guide: GuideProgress | None = None
        self._started_s = 0.0
        self._loading_since_s: float | None = 0.0  # None while it guides
        self._restart_at_s: float | None = None
        self._failures_s: deque[float] = deque()
        self._missing_since_s: float | None = None
        self._loop = Progress(0.0)
        self._sound = Progress(0.0)
        self._worked_s = 0.0
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
        if self.state == "gave_up":
            if self._siren.farewell(now):
                self._end(self._exit_code)
            return
        if self._guide is not None:
            self._watch(self._guide, now)
        elif self._restart_at_s is not None and now >= self._restart_at_s:
            self.restarts += 1
            self._start()
        self._siren.step(now)
        if self._siren.was_heard():  # a failure that was heard is work done
            self._notifier.progress()

    def stop(self) -> None:
        """Ask the guide to end with its goodbye; it has ``stop_s``. Call again to hasten."""
        if self.state in ("stopping", "ended"):
            return
        self._notifier.stopping()
        self._siren.quiet()
        self.state = "stopping"
        self._log("stopping")
        if self._guide is None:
            self._end(0)
            return
        self._guide.terminate()
        self._deadline_s = self._clock.now() + self._limits.stop_s

    def reload(self) -> None:
        """Pass on SIGHUP; without a guide the next one reads the configuration anyway."""
        if self._guide is not None and self.state != "stopping":
            self._notifier.reloading()
            self._guide.reload()
            self._notifier.reloaded()

    def keep(self) -> None:
        """Pass on SIGUSR1."""
        if self._guide is not None and self.state != "stopping":
            self._guide.keep()

    def _shift_times(self, away_s: float) -> None:
        """While this process did not run (suspended, starved), the guide did not run either: that
        time does not count."""
        if away_s <= AWAY_S:
            return
        self._worked_s += away_s
        self._loop.at_s += away_s
        self._sound.at_s += away_s
        if self._loading_since_s is not None:
            self._loading_since_s += away_s

    # -- the guide ---------------------------------------------------------------------------

    def _start(self) -> None:
        now = self._clock.now()
        self._restart_at_s = None
        self.last_heartbeat = None
        try:
            self._guide = self._launch()
        except OSError as error:  # out of processes or memory: as bad as a guide that crashed
            self._log("launch_failed", level="error", problem=str(error))
            self._fail(f"cannot start: {error.strerror}", 1, now)
            return
        self._started_s = self._loading_since_s = now
        self._loop, self._sound = Progress(now), Progress(now)
        self._log("started", pid=self._guide.pid, restarts=self.restarts)
        self._notifier.status("starting")

    def _watch(self, guide: GuideProgress, now: float) -> None:
        for heartbeat in guide.heartbeats():
            self._take(heartbeat, now)
        code = guide.exit_code()
        if code is not None:
            guide.kill(with_stacks=False)  # what it started and left behind
            guide.close()
            self._guide = None
            self._ended(code, now)
        elif self.state == "stopping":
            if self._deadline_s is not None and now >= self._deadline_s:
                self._log("killed_at_stop", level="warning")
                guide.kill(with_stacks=False)
        else:
            self._check_progress(guide, now)

    def _take(self, heartbeat: Heartbeat, now: float) -> None:
        loop = self._loop.note(heartbeat.frames + heartbeat.waits, now)
        sound = self._sound.note(heartbeat.samples, now)
        if heartbeat.health is not None:
            self.health = heartbeat.health
        self.last_heartbeat = heartbeat
        guides = heartbeat.state in ("guiding", "degraded")
        if guides:
            if self._loading_since_s is not None:  # from now on progress is due
                self._loop.at_s = self._sound.at_s = self._worked_s = now
            self._loading_since_s = None
        elif self._loading_since_s is None:  # it reads its configuration again
            self._loading_since_s = now
        works = guides and loop and (sound or heartbeat.samples is None)
        if works and self.state in ("starting", "failed"):
            after_s = round(now - self._started_s, 3)
            self._log("guiding", after_s=after_s, restarts=self.restarts)
            self.state, self.reason = "guiding", ""
            self._missing_since_s = None
            self._siren.quiet()
            self._notifier.ready()
        if works:
            self._worked_s = now
            self._notifier.progress()
            self._notifier.status(f"{heartbeat.state} {heartbeat.reason}".strip())

    def _check_progress(self, guide: GuideProgress, now: float) -> None:
        limits = self._limits
        if self._loading_since_s is not None:
            loading_s = now - self._loading_since_s
            silent = self.last_heartbeat is None
            if loading_s > (limits.first_heartbeat_s if silent else limits.start_timeout_s):
                self._hung(guide, "the start takes too long", now)
            elif silent and loading_s > limits.first_heartbeat_s / 2:
                self._siren.begin(now)  # the very first start: nothing was heard yet
            return
        # Since both moved together: frames that come back as the sound goes are no guidance.
        stalled_s = now - self._worked_s
        what = "frames" if self._loop.at_s <= self._sound.at_s else "sound"
        # A guide that knows its sound is lost and looks for it is not helped by a new start.
        last = self.last_heartbeat
        reopening = last is not None and last.reopening and what == "sound"
        patience_s = limits.reopening_s if reopening else limits.restart_after_s
        if stalled_s > patience_s:
            self._hung(guide, f"hangs: no progress of {what}", now)
        elif stalled_s > limits.alarm_after_s:
            if not self._siren.on:
                self._log("stalled", level="warning", what=what, for_s=round(stalled_s, 3))
                self._siren.begin(now)
        elif self._siren.on and self.state == "guiding":
            self._log("recovered")
            self._siren.quiet()

    def _hung(self, guide: GuideProgress, why: str, now: float) -> None:
        guide.kill(with_stacks=True)
        guide.close()
        self._guide = None
        self._fail(why, 1, now)

    def _ended(self, code: int, now: float) -> None:
        if self.state == "stopping":
            self._end(0)
        elif code == 0:
            self._log("ended")
            self._end(0)
        elif code == CONFIG:  # starting again would not mend it
            self._log("failed", level="error", problem="the configuration is wrong", code=code)
            self._give_up("the configuration is wrong", code, now)
        else:
            why = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            self._fail(why, code, now)

    # -- failing and giving up ----------------------------------------------------------------

    def _fail(self, why: str, code: int, now: float) -> None:
        missing = code in (INPUT, DEVICE)
        self.state, self.reason = "failed", why
        self._log("failed", level="error", problem=why, code=code)
        self._notifier.status(f"failed: {why}")
        self._notifier.ready()  # the supervisor does what it is there for
        self._siren.say = WORDS_FOR.get(code, "failed")
        self._siren.begin(now)
        if missing:
            self._missing_since_s = now if self._missing_since_s is None else self._missing_since_s
            if now - self._missing_since_s >= self._limits.missing_limit_s:
                self._give_up(why, code, now)
            else:
                self._restart_at_s = now + MISSING_PAUSE_S
            return
        self._missing_since_s = None
        self._failures_s.append(now)
        while now - self._failures_s[0] > self._limits.restart_window_s:
            self._failures_s.popleft()
        count = len(self._failures_s)
        if count > self._limits.restarts:
            self._give_up(why, code, now)
            return
        self._restart_at_s = now + BACKOFF_S[min(count, len(BACKOFF_S)) - 1]

    def _give_up(self, why: str, code: int, now: float) -> None:
        self.state, self.reason = "gave_up", why
        self._exit_code = code if code > 0 else 1
        self._log("gave_up", level="error", problem=why)
        self._notifier.status(f"gave up: {why}")
        self._notifier.ready()
        self._siren.begin_farewell("config" if code == CONFIG else "gave_up", now)

    def _end(self, code: int) -> None:
        self._alarm.stop()
        if self.state != "gave_up":
            self.state = "ended"
        self.result = code
