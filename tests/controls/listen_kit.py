"""What the tests of commands share."""

import threading
from contextlib import contextmanager

from sonar.controls.listen import attending


class Heard:
    """Takes commands; ``wait`` until as many came."""

    def __init__(self):
        self.lines, self._came = [], threading.Condition()

    def __call__(self, line):
        with self._came:
            self.lines.append(line)
            self._came.notify_all()
        return "ok " + line

    def wait(self, count):
        with self._came:
            assert self._came.wait_for(lambda: len(self.lines) >= count, 10), self.lines
        return self.lines


@contextmanager
def serving(listener):
    """While inside, the listener takes commands."""
    with attending([listener]):
        yield listener
