"""What the tests of commands share."""

import threading


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
