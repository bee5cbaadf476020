"""What the service shows: health over a real socket, log lines, heartbeats, word to systemd."""

import contextlib
import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sonar import __version__
from sonar.clock import ManualClock, SystemClock
from sonar.records import Event, Step
from sonar.service.guide.governor import MachineReading
from sonar.service.guide.report import Reporter
from sonar.service.health import METRICS, STATES, HealthServer, Snapshot, ask
from sonar.service.heartbeat import FD_VARIABLE, LONGEST_BYTES, Heartbeat, supervisor_socket
from sonar.service.logs import JsonLog, redacted
from sonar.service.supervisor.runner import notify
from sonar.types import Cue, CueKind, Frame, Scene, State

GUIDING = Snapshot("guiding", "", {"fps": 14.5, "restarts": 2, "age_ms": 61.0, "source": "cam"})
TOKEN = "0123456789abcdef-token"


def get(port: int, path: str = "/healthz", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=3) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def serve() -> Iterator[Any]:
    servers: list[HealthServer] = []

    def start(snapshot: Snapshot = GUIDING) -> int:
        servers.append(HealthServer(0, lambda: snapshot))
        return servers[-1].port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_healthz_shows_state_and_figures_to_this_machine_only(serve: Any) -> None:
    port = serve()
    code, body = get(port)
    assert code == 200
    assert json.loads(body) == {"ok": True, "state": "guiding", "reason": "", **GUIDING.figures}
    assert get(port, Host="localhost:1234")[0] == 200
    # A web page that the user visits, by rebinding its name to this machine.
    for host in ("evil.example", "["):  # the second is no name at all
        assert get(port, Host=host)[0] == 401
    assert get(port, "/etc/passwd")[0] == 404


@pytest.mark.parametrize("state", ["degraded", "failed", "gave_up", "loading"])
def test_ask_finds_it_well_unwell_or_not_at_all(serve: Any, state: str) -> None:
    assert ask(serve()) == {"ok": True, "state": "guiding", "reason": "", **GUIDING.figures}
    port = serve(Snapshot(state, "source_lost"))
    assert get(port)[0] == 503
    assert ask(port) == {"ok": False, "state": state, "reason": "source_lost"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert ask(free.getsockname()[1]) is None


def test_an_address_that_is_taken_is_logged_and_guiding_goes_on(serve: Any) -> None:
    logged: list[str] = []
    for port in (serve(), 0):  # 0: off
        HealthServer.start(port, lambda: GUIDING, lambda event, **_: logged.append(event))
    assert logged == ["health_off"]


def test_metrics_are_prometheus_text(serve: Any) -> None:
    figures = dict.fromkeys(METRICS, 1.5) | {"source": "camera", "sound_lost": None}
    snapshot = Snapshot("degraded", 'a "reason"\n', figures)
    code, body = get(serve(snapshot), "/metrics")
    assert code == 200 and body.endswith("\n")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body)  # Prometheus' own parser
        for sample in family.samples
    }
    assert found[("sonar_state", "degraded")] == 1 and found[("sonar_state", "guiding")] == 0
    assert found[("sonar_reason", 'a "reason"\n')] == 1
    assert found[("sonar_build_info", __version__)] == 1
    for name, factor, _ in METRICS.values():
        assert found[(name,)] == pytest.approx(1.5 * factor)
        assert not any(unit in name for unit in ("milli", "mega", "percent"))  # base units
    assert len(found) == len(METRICS) + len(STATES) + 2


def test_a_client_that_says_nothing_holds_up_nobody(serve: Any) -> None:
    port = serve()
    with socket.create_connection(("127.0.0.1", port)):
        assert get(port)[0] == 200


# -- the log -----------------------------------------------------------------------------------


def test_a_line_is_json_and_one_write() -> None:
    reading, writing = os.pipe()
    clock = ManualClock(12.3456)
    log = JsonLog("guide", clock, writing)
    log("state", name="degraded", why="dark\nand more", number=3)
    line = os.read(reading, 4096).decode()
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "t": 12.346,
        "level": "info",
        "from": "guide",
        "event": "state",
        "name": "degraded",
        "why": "dark\nand more",
        "number": 3,
    }
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    "text",
    [
        "cannot open rtsp://admin:hunter2@10.0.0.5/stream",
        "cannot open http://u:hun/ter2@host:80/x?token=hunter2#hunter2 now",
        "RTSP://admin:hunter2@cam",
        "https://host/path?key=hunter2",
    ],
)
def test_secrets_of_addresses_are_hidden(text: str) -> None:
    shown = redacted(text)
    assert "hunter2" not in shown and "ter2" not in shown
    assert "host" not in text or "host" in shown


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_other_text_is_left_alone(text: str) -> None:
    if "://" not in text:
        assert redacted(text) == text


# -- the figures -------------------------------------------------------------------------------


def test_the_reporter_counts_steps() -> None:
    clock = ManualClock(10.0)
    sensors = SimpleNamespace(read=lambda: MachineReading(temperature_c=41.0, memory_mb=200.0))
    log = JsonLog("test", clock, fd=os.open(os.devnull, os.O_WRONLY))
    reporter = Reporter(clock, log, sensors, None)
    step = Step(
        scene=Scene.unknown(0, 0.0, None, State.GUIDING),
        cue=Cue(CueKind.SILENCE),
        events=(Event(t=0, frame=0, kind="state", name="guiding"),),
        frame=Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0),
        depth=None,
        timings_ms={"depth": 20.0, "total": 25.0},
    )
    for _ in range(100):
        clock.advance(0.1)
        reporter.consume(step)
    figures = reporter.figures()
    assert reporter.frames == 100 and reporter.state() == ("guiding", "")
    assert figures["fps"] == pytest.approx(10, rel=0.05)
    assert figures["depth_ms"] == 20.0 and figures["memory_mb"] == 200.0
    assert figures["temperature_c"] == 41.0 and "battery_percent" not in figures
    clock.advance(4.0)  # no frames: the rate falls, it does not stay
    assert reporter.figures()["fps"] < 4
    clock.advance(4.0)
    assert reporter.figures()["fps"] == 0


def test_figures_can_be_asked_for_while_frames_come() -> None:
    """The endpoint's thread asks while the loop's thread counts."""
    before_s = sys.getswitchinterval()
    log = JsonLog("test", SystemClock(), fd=os.open(os.devnull, os.O_WRONLY))
    reporter = Reporter(SystemClock(), log, SimpleNamespace(read=MachineReading), None)
    step = Step(
        scene=Scene.unknown(0, 0.0, None, State.GUIDING),
        cue=Cue(CueKind.SILENCE),
        frame=Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0),
        depth=None,
        timings_ms={"depth": 5.0, "total": 6.0},
    )
    over = threading.Event()

    def count() -> None:
        while not over.is_set():
            reporter.consume(step)

    counting = threading.Thread(target=count)
    sys.setswitchinterval(1e-6)
    try:
        counting.start()
        for _ in range(600):
            reporter.figures()
    finally:
        over.set()
        counting.join()
        sys.setswitchinterval(before_s)
    assert reporter.frames > 0


# -- to the supervisor, and to systemd -----------------------------------------------------------


@given(
    st.builds(
        Heartbeat,
        state=st.sampled_from(["loading", "guiding", "degraded"]),
        reason=st.text(max_size=20),
        frames=st.integers(0, 10**9),
        samples=st.none() | st.integers(0, 10**12),
        reopening=st.booleans(),
        health=st.none() | st.just({"fps": 12.5, "source": "loop of x"}),
    ),
    st.binary(max_size=300),
)
def test_a_heartbeat_arrives_as_it_was_sent_and_garbage_is_none(
    beat: Heartbeat, garbage: bytes
) -> None:
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with reading, writing:
        beat.send(writing)
        assert Heartbeat.parse(reading.recv(LONGEST_BYTES)) == beat
    assert Heartbeat.parse(garbage) is None


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


def test_a_supervisor_that_does_not_read_never_blocks_the_guide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for i in range(5000):
        Heartbeat("guiding", frames=i, health={"pad": "x" * 900}).send(writing)
    reading.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while reading.recv(LONGEST_BYTES):
            count += 1
    assert 0 < count < 5000
    Heartbeat("guiding", frames=77_777).send(writing)  # there is room again
    assert Heartbeat.parse(reading.recv(LONGEST_BYTES)) == Heartbeat("guiding", frames=77_777)
    reading.close()
    Heartbeat("stopped").send(writing)  # the supervisor is gone: no exception
    writing.close()
    Heartbeat("stopped").send(writing)
    for wrong in ("987654", "stdout"):
        monkeypatch.setenv(FD_VARIABLE, wrong)
        assert supervisor_socket() is None


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    notify("READY=1")  # nobody asked
    address = f"\0sonar-test-{os.getpid()}" if abstract else str(tmp_path / "user@notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(2)
        notify("READY=1")
        assert server.recv(1000) == b"READY=1"
    notify("STOPPING=1")  # systemd is gone: no exception
