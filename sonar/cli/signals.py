"""Ctrl-C, SIGTERM and a closed terminal end a run in order; a second Ctrl-C ends it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sonar.pipeline import Pipeline


@contextmanager
def stops(pipeline: Pipeline) -> Iterator[None]:
    """While inside, the first SIGINT, SIGTERM or SIGHUP asks ``pipeline`` to stop.

    A SIGHUP that is ignored (``nohup``) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        if pipeline.outcome.interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        pipeline.stop()

    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def terminates() -> Iterator[None]:
    """While inside, SIGTERM is what Ctrl-C is: a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
