"""The health endpoint over a real socket; log lines; what must not be shown."""

import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sonar import __version__
from sonar.clock import ManualClock, SystemClock
from sonar.config import ServiceConfig
from sonar.errors import ConfigError
from sonar.records import Event, Step
from sonar.service.guide.report import Reporter
from sonar.service.health import METRICS, HealthServer, Snapshot, ask, read_token
from sonar.service.logs import JsonLog, redacted
from sonar.service.machine import MachineReading
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

    def start(snapshot: Snapshot = GUIDING, token: str | None = None) -> int:
        servers.append(HealthServer("127.0.0.1", 0, token, lambda: snapshot))
        return servers[-1].port

    yield start
    for server in servers:
        server.close()


def test_healthz_tells_state_and_figures(serve: Any) -> None:
    code, body = get(serve())
    assert code == 200
    assert json.loads(body) == {"ok": True, "state": "guiding", "reason": "", **GUIDING.figures}


@pytest.mark.parametrize("state", ["degraded", "failed", "gave_up", "loading"])
def test_unwell_is_503(serve: Any, state: str) -> None:
    code, body = get(serve(Snapshot(state, "source_lost")))
    assert code == 503 and json.loads(body)["reason"] == "source_lost"


def test_metrics_are_prometheus_text(serve: Any) -> None:
    figures = {key: 1.5 for key in METRICS} | {"source": "camera", "sound_lost": None}
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


def test_metrics_are_in_base_units() -> None:
    figures = {"age_ms": 61.0, "memory_mb": 240.0, "battery_percent": 37.0, "cpu_percent": 55.0}
    body = Snapshot("guiding", "", figures).metrics().decode()
    assert "sonar_frame_to_sound_seconds 0.061\n" in body
    assert "sonar_memory_bytes 2.4e+08\n" in body
    assert "sonar_battery_ratio 0.37\n" in body and "sonar_cpu_ratio 0.55" in body
    assert "milliseconds" not in body and "megabytes" not in body and "percent" not in body


def test_unknown_paths_and_methods(serve: Any) -> None:
    port = serve()
    assert get(port, "/etc/passwd")[0] == 404
    request = urllib.request.Request(f"http://127.0.0.1:{port}/healthz", b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=3)
    assert caught.value.code == 501


def test_a_web_page_may_not_read_it_by_rebinding_names(serve: Any) -> None:
    assert get(serve(), Host="evil.example")[0] == 401
    assert get(serve(), Host="localhost:1234")[0] == 200


def test_a_token_is_asked_and_checked(serve: Any) -> None:
    port = serve(token=TOKEN)
    assert get(port)[0] == 401
    assert get(port, Authorization=f"Bearer {TOKEN}x")[0] == 401
    assert get(port, "/metrics", Authorization=TOKEN)[0] == 401
    assert get(port, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_client_that_says_nothing_holds_up_nobody(serve: Any) -> None:
    port = serve()
    with socket.create_connection(("127.0.0.1", port)):
        assert get(port)[0] == 200


def test_tokens(tmp_path: Path) -> None:
    assert read_token("127.0.0.1", None) is None
    assert read_token("::1", None) is None and read_token("localhost", None) is None
    with pytest.raises(ConfigError, match="token"):
        read_token("0.0.0.0", None)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token("0.0.0.0", str(tmp_path / "none"))
    short = tmp_path / "short"
    short.write_text("abc\n")
    with pytest.raises(ConfigError, match="16"):
        read_token("0.0.0.0", str(short))
    short.write_text(TOKEN + "\n")
    assert read_token("0.0.0.0", str(short)) == TOKEN


def test_an_address_that_is_taken_is_logged_and_guiding_goes_on(serve: Any) -> None:
    logged: list[Any] = []

    def log(event: str, **fields: Any) -> None:
        logged.append((event, fields))

    taken = serve()
    HealthServer.start("127.0.0.1", taken, None, lambda: GUIDING, log)
    assert logged[0][0] == "health_off"
    HealthServer.start("0.0.0.0", 18737, None, lambda: GUIDING, log)
    assert "token" in logged[1][1]["problem"]
    HealthServer.start("127.0.0.1", 0, None, lambda: GUIDING, log)  # off
    assert len(logged) == 2


def test_ask_finds_it_well_unwell_or_not_at_all(serve: Any, tmp_path: Path) -> None:
    found = ask(ServiceConfig(health_port=serve()))
    assert found is not None and found["ok"] is True
    found = ask(ServiceConfig(health_port=serve(Snapshot("failed", "hangs"))))
    assert found is not None and (found["ok"], found["reason"]) == (False, "hangs")
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    port = serve(token=TOKEN)
    assert ask(ServiceConfig(health_port=port, health_token_file=str(secret))) is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert ask(ServiceConfig(health_port=free.getsockname()[1])) is None


# -- the log -----------------------------------------------------------------------------------


def test_a_line_is_json_and_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr("signal.raise_signal", lambda *_: None)
    log("after the reader is gone")  # SIGPIPE is ignored by Python: an error, which is counted
    assert log.lost == 1
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


class Cool:
    """Sensors of a machine without a battery."""

    def read(self) -> MachineReading:
        return MachineReading(temperature_c=41.0, memory_mb=200.0)


def reporter(clock: Any) -> Reporter:
    log = JsonLog("test", clock, fd=os.open(os.devnull, os.O_WRONLY))
    return Reporter(clock, log, Cool(), None)


def test_the_reporter_counts_steps() -> None:
    clock = ManualClock(10.0)
    board = reporter(clock)
    event = Event(t=0, frame=0, kind="state", name="guiding")
    scene = Scene.unknown(0, 0.0, None, State.GUIDING)
    step = Step(
        scene=scene,
        cue=Cue(CueKind.SILENCE),
        events=(event,),
        frame=Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0),
        depth=None,
        timings_ms={"depth": 20.0, "total": 25.0},
    )
    for _ in range(100):
        clock.advance(0.1)
        board.consume(step)
    figures = board.figures()
    assert board.frames == 100 and board.state() == ("guiding", "")
    assert figures["fps"] == pytest.approx(10, rel=0.05)
    assert figures["depth_ms"] == 20.0 and figures["memory_mb"] == 200.0
    assert figures["temperature_c"] == 41.0 and "battery_percent" not in figures
    clock.advance(4.0)  # no frames: the rate falls, it does not stay
    assert board.figures()["fps"] < 4
    clock.advance(4.0)
    assert board.figures()["fps"] == 0


def test_figures_can_be_asked_for_while_frames_come() -> None:
    """The endpoint's thread asks while the loop's thread counts."""
    board, clock = reporter(SystemClock()), SystemClock()
    image = np.zeros((4, 4, 3), np.uint8)
    scene = Scene.unknown(0, 0.0, None, State.GUIDING)
    step = Step(
        scene=scene,
        cue=Cue(CueKind.SILENCE),
        frame=Frame(image, 0, 0.0),
        depth=None,
        timings_ms={"depth": 5.0, "total": 6.0},
    )
    problems: list[Exception] = []
    over = threading.Event()

    def ask_on() -> None:
        while not over.is_set():
            try:
                board.figures()
            except Exception as error:
                problems.append(error)
                return

    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        until_s = clock.now() + 1.0
        while clock.now() < until_s and not problems:
            board.consume(step)
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(before_s)
    assert not problems
