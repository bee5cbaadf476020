"""`sonar service` and `sonar status` from the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sonar.cli.root import execute as sonar
from sonar.cli.service import supervisor_settings
from sonar.config import SonarConfig
from sonar.config.load import load_config
from sonar.service import unit
from sonar.service.health import HealthServer, Snapshot


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(unit, "booted", lambda root=Path("/"): False)
    return tmp_path


def test_install_and_uninstall_for_the_user(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    assert sonar(["service", "install", "--source", "rtsp://u:secret@x"]) == 0
    where = own_home / "config/systemd/user/sonar.service"
    assert where.exists()
    assert (own_home / "config/sonar/sonar.env").stat().st_mode & 0o077 == 0
    assert "secret" not in capsys.readouterr().out
    assert sonar(["service", "uninstall"]) == 0
    assert not where.exists()


def test_install_refuses_a_wrong_configuration(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    config = own_home / "config/sonar/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("audio:\n  volume: 3\n")
    assert sonar(["service", "install"]) == 2
    assert "volume" in capsys.readouterr().err
    assert not (own_home / "config/systemd").exists()


def test_status_in_words_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"fps": 14.52, "age_ms": 61.2, "restarts": 0}
    server = HealthServer(0, lambda: Snapshot("guiding", "", figures))
    port = f"service.health_port={server.port}"
    try:
        assert sonar(["status", "--set", port]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "State: guiding.",
            "14.5 frames per second.",
            "61 ms from frame to sound.",
            "0 restarts.",
        ]
        assert sonar(["status", "--json", "--set", port]) == 0
        assert json.loads(capsys.readouterr().out)["fps"] == 14.52
    finally:
        server.shutdown()
        server.server_close()
    assert sonar(["status", "--set", port]) == 4
    assert "does not run" in capsys.readouterr().err


def test_another_program_at_the_port_is_no_mistake_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = HealthServer(0, lambda: Snapshot("up", "", {"fps": "many", "restarts": [1]}))
    try:
        assert sonar(["status", "--set", f"service.health_port={server.port}"]) == 4
    finally:
        server.shutdown()
        server.server_close()
    captured = capsys.readouterr()
    assert captured.out == "State: up.\n" and captured.err == ""


def test_a_degraded_state_has_its_reason_and_code_4(capsys: pytest.CaptureFixture[str]) -> None:
    server = HealthServer(0, lambda: Snapshot("degraded", "source_lost"))
    try:
        assert sonar(["status", "--set", f"service.health_port={server.port}"]) == 4
    finally:
        server.shutdown()
        server.server_close()
    assert "degraded (source lost)" in capsys.readouterr().out


def test_the_supervisor_gets_limits_that_let_a_wait_be_heard() -> None:
    config = load_config(None, ["capture.open_timeout_s=7"], {})
    settings = json.loads(supervisor_settings(["audio.output=null"], config, "headless"))
    assert settings["limits"]["alarm_after_s"] == pytest.approx(0.6)
    assert settings["limits"]["start_timeout_s"] == pytest.approx(34.0)
    assert settings["command"][1:] == [
        "-m", "sonar", "--config", "headless", "--set", "audio.output=null", "run", "--headless",
    ]  # fmt: skip
    assert settings["health_port"] == SonarConfig().service.health_port


@pytest.mark.realtime
def test_service_run_guides_ends_on_sigterm_and_shows_no_secret(own_home: Path) -> None:
    """The whole product under its supervisor, without a sound card, over a synthetic walk."""
    log = own_home / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sonar", "--config", "default"),
                *("--set", "audio.output=null", "--set", "speech.enabled=false"),
                *("--set", "service.health_port=0", "service", "run"),
            ],
            env={**os.environ, "SONAR_SOURCE": "synthetic:corridor"},
            stderr=stream,
        )
    try:
        deadline = time.monotonic() + 60
        while b'"event": "guiding"' not in log.read_bytes():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - start < 2.5  # 2 s are due; the machine may be busy
    finally:
        if process.poll() is None:
            process.kill()
    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [e["name"] for e in events if e["event"] == "state"][-1] == "stopped"
    assert events[-1]["event"] == "supervisor_ended"
