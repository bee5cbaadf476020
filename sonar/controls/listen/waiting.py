"""A thread that waits for file descriptors and can be told to end."""

import contextlib
import os
import select
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

from sonar.threads import Announce, GuardedThread

_PATIENCE_S = 2.0


class WaitingThread(ABC):
    """Base of the listeners: ``_run`` in a thread from ``__enter__`` to ``__exit__``."""

    def __init__(self, name: str, announce: Announce | None = None) -> None:
        self._wake_in, self._wake_out = os.pipe()
        self._closing = threading.Event()
        self._thread = GuardedThread(name, self._run, announce=announce)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread; safe to call twice; returns within two seconds."""
        if self._closing.is_set():
            return
        self._closing.set()
        with contextlib.suppress(OSError):
            os.write(self._wake_out, b"x")
        if self._thread.ident is not None:
            self._thread.join(_PATIENCE_S)
        if not self._thread.is_alive():  # else it still holds them; a leak beats a reused number
            os.close(self._wake_in)
            os.close(self._wake_out)

    def _ready(self, files: Sequence[int], timeout_s: float) -> list[int]:
        """Which of ``files`` can be read; none after ``timeout_s`` or when it is to end."""
        waiting = select.poll()  # unlike select(), not limited to numbers below 1024
        for file in (*files, self._wake_in):
            waiting.register(file, select.POLLIN)
        found = [file for file, _ in waiting.poll(1000.0 * timeout_s)]
        return [] if self._wake_in in found else found

    @abstractmethod
    def _run(self) -> None:
        """What the thread does until :meth:`_ready` gives nothing and ``_closing`` is set."""
