"""``sonar run --headless`` as a process: signals, log, health, and an end in time.

Without a supervisor above it, it has the health endpoint itself.
"""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from sonar.config import SonarConfig
from sonar.errors import SonarError
from sonar.ports import Clock
from sonar.service.guide.guide import Guide, SourceFactory
from sonar.service.health import HealthServer
from sonar.service.heartbeat import HeartbeatSender
from sonar.service.logs import JsonLog
from sonar.threads import end_with_parent


def main(
    load: Callable[[], SonarConfig],
    open_source: SourceFactory,
    clock: Clock,
    **parts: Any,
) -> NoReturn:
    """Guide as this process: signals, log, health, heartbeat; ends the process with its exit code.

    ``parts`` go to :class:`~sonar.service.guide.guide.Guide`. Raises ConfigError when the
    configuration is wrong.
    """
    faulthandler.enable()
    log = JsonLog("guide", clock)
    logging.getLogger("sonar").addHandler(_ToJson(log))
    logging.getLogger("sonar").propagate = False
    sender = HeartbeatSender.from_environment()
    if sender is not None:
        # Without its supervisor nobody would sound a failure of this process: say goodbye and end;
        # systemd starts both anew.
        end_with_parent(os.getppid(), signal.SIGTERM)
    guide = Guide(load, clock, log, open_source, sender=sender, **parts)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            guide.reload()
        elif number == signal.SIGUSR1:
            guide.keep("button")
        else:
            guide.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, on_signal)
    service = guide.config.service
    if sender is None:  # the supervisor has its own
        HealthServer.start(
            service.health_host,
            service.health_port,
            service.health_token_file,
            guide.reporter.snapshot,
            log,
        )
    code = 1
    try:
        code = guide.run()
    except SonarError as error:
        log("cannot_start", level="error", problem=str(error), code=error.exit_code)
        code = error.exit_code
    except Exception:  # whatever it is, the log has it: there is no screen
        log("crashed", level="error", problem=traceback.format_exc())
    finally:
        # Everything is written and closed, and threads that were left behind in a driver or a
        # network must not hold up the end.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


class _ToJson(logging.Handler):
    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._log(
            "warning",
            level=record.levelname.lower(),
            room=record.name,
            text=record.getMessage(),
            traceback="".join(traceback.format_exception(error)) if error else None,
        )
