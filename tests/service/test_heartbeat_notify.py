"""What goes over the pipe to the supervisor, and over the socket to systemd."""

import os
import socket
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.clock import ManualClock
from sonar.service.heartbeat import (
    FD_VARIABLE,
    SHORTEST_S,
    Heartbeat,
    HeartbeatReader,
    HeartbeatSender,
)
from sonar.service.notify import Notifier

BEATS = st.builds(
    Heartbeat,
    state=st.sampled_from(["loading", "guiding", "degraded"]),
    reason=st.text(max_size=20),
    frames=st.integers(0, 10**9),
    waits=st.integers(0, 10**6),
    samples=st.none() | st.integers(0, 10**12),
    reopening=st.booleans(),
    health=st.none() | st.just({"fps": 12.5, "source": "loop of x"}),
)


@given(beats=st.lists(BEATS, max_size=6), cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_heartbeats_survive_any_cutting(beats: list[Heartbeat], cuts: list[int]) -> None:
    data = b"".join(beat.line() for beat in beats)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    reader = HeartbeatReader()
    got = []
    for a, b in pairwise(places):
        got += reader.feed(data[a:b])
    assert got == beats and reader.garbage == 0


@given(st.binary(max_size=300))
def test_garbage_is_counted_not_raised(data: bytes) -> None:
    reader = HeartbeatReader()
    reader.feed(data + b"\n")
    good = Heartbeat("guiding", frames=1)
    assert reader.feed(good.line())[-1:] == [good]


def test_an_endless_line_is_dropped() -> None:
    reader = HeartbeatReader()
    reader.feed(b"x" * 100_000)
    assert reader.garbage == 1
    assert reader.feed(Heartbeat("guiding").line()) == [Heartbeat("guiding")]


def test_a_supervisor_that_does_not_read_never_blocks_the_guide() -> None:
    reading, writing = os.pipe()
    clock = ManualClock()
    sender = HeartbeatSender(writing, clock)
    for i in range(5000):
        clock.advance(SHORTEST_S)
        sender.send(Heartbeat("guiding", frames=i, health={"pad": "x" * 900}))
    reader = HeartbeatReader()
    os.set_blocking(reading, False)
    got = reader.feed(os.read(reading, 1 << 20))
    assert got and reader.garbage == 0
    clock.advance(1)
    sender.send(Heartbeat("guiding", frames=77_777))  # there is room again
    assert reader.feed(os.read(reading, 1 << 20))[-1].frames == 77_777
    assert reader.garbage == 0
    os.close(reading)
    clock.advance(1)
    sender.send(Heartbeat("stopped"))  # the supervisor is gone: no exception
    sender.send(Heartbeat("stopped", reason="again"))
    sender.close()


def test_progress_is_thinned_changes_are_not() -> None:
    reading, writing = os.pipe()
    clock = ManualClock()
    sender = HeartbeatSender(writing, clock)
    for i in range(100):
        clock.advance(0.01)
        sender.send(Heartbeat("guiding", frames=i))
    sender.send(Heartbeat("degraded", "dark", frames=100))
    got = HeartbeatReader().feed(os.read(reading, 1 << 16))
    assert 15 <= len(got) <= 25 and got[-1].reason == "dark"
    sender.close()
    os.close(reading)


def test_sender_only_where_somebody_supervises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FD_VARIABLE, raising=False)
    assert HeartbeatSender.from_environment(ManualClock()) is None
    monkeypatch.setenv(FD_VARIABLE, "987654")
    assert HeartbeatSender.from_environment(ManualClock()) is None
    monkeypatch.setenv(FD_VARIABLE, "stdout")
    assert HeartbeatSender.from_environment(ManualClock()) is None


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_announced(tmp_path: Path, abstract: bool) -> None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = f"\0sonar-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    server.bind(address)
    server.settimeout(2)
    clock = ManualClock(50.0)
    env = {
        "NOTIFY_SOCKET": address.replace("\0", "@"),
        "WATCHDOG_USEC": "8000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    notifier = Notifier(clock, env)
    assert notifier.watchdog_s == 8.0
    notifier.ready()
    notifier.ready()
    notifier.status("guiding\nREADY=0")  # a line break must not smuggle in an assignment
    notifier.status("guiding\nREADY=0")
    for _ in range(41):  # 4 s of progress at 10 Hz: fed at 0, 2 and 4 s
        notifier.progress()
        clock.advance(0.1)
    notifier.reloading()
    notifier.stopping()
    notifier.close()
    notifier.close()
    got = []
    server.setblocking(False)
    while True:
        try:
            got.append(server.recv(1000).decode())
        except BlockingIOError:
            break
    assert got == [
        "READY=1",
        "STATUS=guiding READY=0",
        "WATCHDOG=1",
        "WATCHDOG=1",
        "WATCHDOG=1",
        f"RELOADING=1\nMONOTONIC_USEC={int(clock.now() * 1e6)}",
        "STOPPING=1",
    ]
    server.close()


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier(ManualClock(), {})
    notifier.ready()
    notifier.progress()
    notifier.close()
    gone = Notifier(ManualClock(), {"NOTIFY_SOCKET": "/nowhere/at/all"})
    gone.ready()
    gone.close()


@pytest.mark.parametrize(
    "env",
    [{"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}],
)
def test_a_watchdog_that_is_not_ours(env: dict[str, str]) -> None:
    assert Notifier(ManualClock(), env).watchdog_s is None
