"""``python -m sonar.service.supervisor.runner SETTINGS``: the supervisor as a process.

``sonar service run`` checks the configuration and then becomes this process, so that what
stays resident is small. SETTINGS is the JSON of :class:`SupervisorSettings`.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sonar.clock import SystemClock
from sonar.service.health import HealthServer, Snapshot
from sonar.service.logs import JsonLog
from sonar.service.notify import Notifier
from sonar.service.supervisor.alarm import REALTIME, Alarm, players
from sonar.service.supervisor.process import GuideProcess
from sonar.service.supervisor.supervisor import Supervisor, WatchLimits
from sonar.threads import realtime

STEP_S = 0.05


@dataclass(frozen=True)
class SupervisorSettings:
    """All that the supervisor needs; no secrets, since a command line is public.

    Attributes:
        command: starts the guide.
        sounds: as :func:`sonar.service.supervisor.sounds.in_memory` gives them; the files are open
            in this process.
        alarm_device: ALSA device of the failure sounds; None is the system's.
    """

    command: tuple[str, ...]
    sounds: Mapping[str, tuple[int, float]]
    limits: WatchLimits = field(default_factory=WatchLimits)
    alarm_device: str | None = None
    health_host: str = "127.0.0.1"
    health_port: int = 0
    health_token_file: str | None = None

    def text(self) -> str:
        """As SETTINGS."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> "SupervisorSettings":
        """From SETTINGS."""
        values = json.loads(text)
        limits, command = WatchLimits(**values.pop("limits")), tuple(values.pop("command"))
        return cls(limits=limits, command=command, **values)


def snapshot(supervisor: Supervisor) -> Snapshot:
    """What the health endpoint shows."""
    last = supervisor.last_heartbeat
    state, reason = supervisor.state, supervisor.reason
    figures = {**supervisor.health, "restarts": supervisor.restarts}
    if last is not None:
        figures |= {"frames": last.frames, "waits": last.waits, "samples": last.samples}
        if state == "guiding":
            state, reason = last.state, last.reason
    return Snapshot(state, reason, figures)


def main(text: str) -> int:
    """Supervise until asked to stop; returns the exit code."""
    settings = SupervisorSettings.parse(text)
    clock = SystemClock()
    log = JsonLog("supervisor", clock)
    log("supervising", realtime=realtime(REALTIME))
    supervisor = Supervisor(
        lambda: GuideProcess(settings.command, os.environ),
        Alarm(clock, settings.sounds, players(settings.alarm_device), log),
        clock,
        Notifier(clock),
        log,
        settings.limits,
    )
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda number, _frame: asked.append(number))
    HealthServer.start(  # its threads end with the process
        settings.health_host,
        settings.health_port,
        settings.health_token_file,
        lambda: snapshot(supervisor),
        log,
    )
    while supervisor.result is None:
        while asked:
            wish = asked.pop(0)
            if wish in (signal.SIGHUP, signal.SIGUSR1):
                supervisor.pass_on(wish)
            else:
                supervisor.stop()
        supervisor.step()
        clock.sleep(STEP_S)
    log("supervisor_ended", code=supervisor.result)
    return supervisor.result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
