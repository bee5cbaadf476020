"""What goes over the pipe to the supervisor, and over the socket to systemd."""

import contextlib
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.clock import ManualClock
from sonar.service.heartbeat import (
    FD_VARIABLE,
    LONGEST_BYTES,
    Heartbeat,
    HeartbeatSender,
)
from sonar.service.notify import Notifier


def pair() -> tuple[socket.socket, socket.socket]:
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading.setblocking(False)
    return reading, writing


def received(reading: socket.socket) -> list[Heartbeat | None]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while data := reading.recv(LONGEST_BYTES):
            found.append(Heartbeat.parse(data))
    return found


@given(
    st.builds(
        Heartbeat,
        state=st.sampled_from(["loading", "guiding", "degraded"]),
        reason=st.text(max_size=20),
        frames=st.integers(0, 10**9),
        samples=st.none() | st.integers(0, 10**12),
        reopening=st.booleans(),
        health=st.none() | st.just({"fps": 12.5, "source": "loop of x"}),
    )
)
def test_a_heartbeat_arrives_as_it_was_sent(beat: Heartbeat) -> None:
    assert Heartbeat.parse(beat.packet()) == beat


@given(st.binary(max_size=300))
def test_garbage_is_no_heartbeat(data: bytes) -> None:
    assert Heartbeat.parse(data) is None


@pytest.mark.parametrize(
    "packet",
    [
        b'{"state": "guiding", "frames": null}',
        b'{"state": "guiding", "waits": "1"}',
        b'{"state": 3}',
        b'{"state": "guiding", "samples": 0.5}',
        b'{"state": "guiding", "health": [1]}',
        b"[" * 60_000,
        b'{"state": "guiding", "health": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    ],
)
def test_what_only_looks_like_a_heartbeat_is_none(packet: bytes) -> None:
    assert Heartbeat.parse(packet) is None


def test_a_supervisor_that_does_not_read_never_blocks_the_guide() -> None:
    reading, writing = pair()
    sender = HeartbeatSender(writing)
    for i in range(5000):
        sender.send(Heartbeat("guiding", frames=i, health={"pad": "x" * 900}))
    assert len(received(reading)) < 5000
    sender.send(Heartbeat("guiding", frames=77_777))  # there is room again
    assert received(reading) == [Heartbeat("guiding", frames=77_777)]
    reading.close()
    sender.send(Heartbeat("stopped"))  # the supervisor is gone: no exception
    sender.send(Heartbeat("stopped", reason="again"))
    sender.close()
    sender.send(Heartbeat("stopped", reason="closed"))


def test_sender_only_where_somebody_supervises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FD_VARIABLE, raising=False)
    assert HeartbeatSender.from_environment() is None
    monkeypatch.setenv(FD_VARIABLE, "987654")
    assert HeartbeatSender.from_environment() is None
    monkeypatch.setenv(FD_VARIABLE, "stdout")
    assert HeartbeatSender.from_environment() is None


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_announced(tmp_path: Path, abstract: bool) -> None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = f"\0sonar-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    server.bind(address)
    server.settimeout(2)
    clock = ManualClock(50.0)
    notifier = Notifier(clock, {"NOTIFY_SOCKET": address.replace("\0", "@")})
    notifier.ready()
    notifier.ready()
    notifier.status("guiding\nREADY=0")  # a line break must not smuggle in an assignment
    notifier.status("guiding\nREADY=0")
    for _ in range(25):  # 2.4 s of progress at 10 Hz: fed at 0, 1 and 2 s
        notifier.progress()
        clock.advance(0.1)
    notifier.status("\ud800")  # cannot be encoded
    notifier.stopping()
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
        "STATUS=?",
        "STOPPING=1",
    ]
    server.close()


def test_without_systemd_nothing_happens() -> None:
    for environment in ({}, {"NOTIFY_SOCKET": "/nowhere/at/all"}):
        notifier = Notifier(ManualClock(), environment)
        notifier.ready()
        notifier.progress()
