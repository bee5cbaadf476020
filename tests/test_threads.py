"""A long-lived thread that fails is logged, announced and restarted, with a bound."""

import logging
import os
import subprocess
import sys
import threading

import pytest

from sonar import threads
from sonar.clock import ManualClock
from sonar.threads import GuardedThread, run_briefly

LIMIT_S = 5.0


class Work:
    """Fails ``times`` times, then returns."""

    def __init__(self, times: int, clock: ManualClock, lasts_s: float = 0.0) -> None:
        self.times, self.calls, self._clock, self._lasts_s = times, 0, clock, lasts_s

    def __call__(self) -> None:
        self.calls += 1
        self._clock.advance(self._lasts_s)
        if self.calls <= self.times:
            raise IsADirectoryError(f"call {self.calls}")


def run(work: Work, clock: ManualClock, **options: object) -> tuple[GuardedThread, list[bool]]:
    announced: list[bool] = []
    thread = GuardedThread(
        "test", work, announce=lambda _, gave_up: announced.append(gave_up), clock=clock, **options
    )
    thread.start()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    return thread, announced


def test_work_that_fails_is_restarted_logged_and_announced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    work = Work(2, clock)
    with caplog.at_level(logging.ERROR, "sonar.threads"):
        thread, announced = run(work, clock)
    assert work.calls == 3 and announced == [False, False] and not thread.gave_up
    assert [record.getMessage() for record in caplog.records] == [
        "the thread test failed and is restarted (IsADirectoryError)"
    ] * 2
    assert all(record.exc_info is not None for record in caplog.records)


def test_restarts_are_bounded_and_giving_up_is_announced() -> None:
    clock = ManualClock()
    work = Work(1000, clock)
    thread, announced = run(work, clock)
    assert thread.gave_up and work.calls == 1 + threads.RESTARTS
    assert announced == [False] * threads.RESTARTS + [True]
    assert clock.now() == pytest.approx(threads.FIRST_PAUSE_S * (1 + 2 + 4))


def test_failures_long_ago_do_not_count() -> None:
    clock = ManualClock()
    work = Work(50, clock, lasts_s=threads.WINDOW_S / 2)
    thread, announced = run(work, clock)
    assert work.calls == 51 and announced == [False] * 50 and not thread.gave_up


def test_without_restarts_one_failure_ends_it() -> None:
    clock = ManualClock()
    thread, announced = run(Work(1, clock), clock, restarts=0)
    assert thread.gave_up and announced == [True]


def test_an_announcement_that_fails_stops_nothing() -> None:
    clock = ManualClock()
    work = Work(1, clock)

    def announce(_problem: str, _gave_up: bool) -> None:
        raise RuntimeError("no sound")

    thread = GuardedThread("test", work, announce=announce, clock=clock)
    thread.start()
    thread.join(LIMIT_S)
    assert work.calls == 2


def test_a_short_piece_of_work_runs_at_once() -> None:
    done = threading.Event()
    thread = run_briefly("test", done.set)
    assert done.wait(LIMIT_S)
    thread.join(LIMIT_S)
    assert not thread.gave_up and thread.daemon


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="needs Linux")
def test_the_place_is_that_of_one_thread_and_may_be_refused(monkeypatch):
    found = []

    def ask():
        found.append((threads.realtime(5), os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(5)
    urgent, policy = found[0]
    assert policy == (os.SCHED_RR if urgent else os.SCHED_OTHER)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER  # this thread's own

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert threads.realtime(5) is False


def test_a_process_ends_with_a_parent_that_ended_before() -> None:
    """A parent that ends later: tests/service/test_processes.py."""
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait(30)
    code = "import signal, time; from sonar.threads import end_with_parent; "
    code += f"end_with_parent({gone.pid}, signal.SIGKILL); time.sleep(60)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == -9
