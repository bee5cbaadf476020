"""Structured log lines: one JSON object a line on standard error, where journald reads them."""

import json
import logging
import os
import re
import select
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sonar.ports import Clock

# Up to the last @: passwords with an unescaped / or @ are common in cameras' addresses.
_CREDENTIALS = re.compile(r"([a-z][a-z0-9+.-]*://)\S*@", re.IGNORECASE)
_QUERY = re.compile(r"([a-z][a-z0-9+.-]*://[^\s?#\"']*)[?#][^\s\"']*", re.IGNORECASE)
_WAIT_MS = 20.0  # longest for a slow reader; then a page is free, more than most lines take


def redacted(text: str) -> str:
    """``text`` with the credentials and queries of every address in it hidden.

    The last line of defense: messages name sources by their labels, which hold none.
    """
    return _QUERY.sub(r"\1?***", _CREDENTIALS.sub(r"\1***@", text))


class JsonLog(logging.Handler):
    """Writes ``{"t": wall seconds, "level": ..., "from": ..., "event": ..., ...}`` lines; as a
    handler, also the warnings of the other packages.

    Never raises and never waits for a reader that stopped: a log that cannot be written must not
    end the guiding. Each line is one ``write``, so lines of two processes do not mix. ``lost``
    counts what could not be written.
    """

    def __init__(self, source: str, clock: "Clock", fd: int = 2) -> None:
        super().__init__(logging.WARNING)
        self.lost = 0
        self._source, self._clock, self._fd = source, clock, fd

    def __call__(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """One line; strings are redacted."""
        shown = {k: redacted(v) if isinstance(v, str) else v for k, v in fields.items()}
        t = round(self._clock.wall(), 3)
        values = {"t": t, "level": level, "from": self._source, "event": event, **shown}
        line = json.dumps(values, ensure_ascii=False, default=str)
        ready = select.poll()
        ready.register(self._fd, select.POLLOUT)
        try:
            if not ready.poll(_WAIT_MS):
                raise BlockingIOError
            os.write(self._fd, line.encode("utf-8", "replace") + b"\n")
        except OSError:
            self.lost += 1

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        lines = "".join(traceback.format_exception(error)) if error else None
        level, text = record.levelname.lower(), record.getMessage()
        self("warning", level=level, room=record.name, text=text, traceback=lines)
