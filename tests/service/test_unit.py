"""The systemd unit: what it says, where it goes, and what systemd thinks of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sonar.errors import OutputError
from sonar.service import unit
from sonar.service.unit import Places


class Shell:
    """Notes commands; ``fails`` names words that make one fail."""

    def __init__(self, *fails: str) -> None:
        self.ran: list[list[str]] = []
        self.fails = fails

    def __call__(self, command: Sequence[str]) -> int:
        self.ran.append(list(command))
        return int(any(word in command for word in self.fails))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "booted", lambda root=Path("/"): True)


def keys(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_system_unit_is_supervised_limited_and_hardened(tmp_path: Path) -> None:
    found = keys(unit.unit_text(Places.of(True, tmp_path), "/opt/sonar/bin/python"))
    assert found["Type"] == ["notify"] and found["WatchdogSec"] == ["15"]
    assert found["ExecStart"] == ["/opt/sonar/bin/python -m sonar service run"]
    assert found["Restart"] == ["on-failure"] and found["StartLimitBurst"] == ["5"]
    assert found["RestartPreventExitStatus"] == ["2"]
    assert found["NoNewPrivileges"] == ["yes"] and found["ProtectSystem"] == ["strict"]
    assert found["User"] == ["sonar"] and found["SupplementaryGroups"] == ["audio video input"]
    assert found["DevicePolicy"] == ["closed"]
    assert found["DeviceAllow"] == [
        "char-video4linux rw",
        "char-alsa rw",
        "char-input r",
        "/dev/shm rw",
    ]
    assert found["WantedBy"] == ["multi-user.target"]  # at boot, before anybody logs in


def test_the_user_unit_leaves_devices_to_the_user(tmp_path: Path) -> None:
    found = keys(unit.unit_text(Places.of(False, home=tmp_path)))
    assert "User" not in found and "DevicePolicy" not in found
    assert found["WantedBy"] == ["default.target"] and "ReadWritePaths" in found


@pytest.mark.parametrize("system", [True, False])
def test_systemd_verifies_it(tmp_path: Path, system: bool) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / unit.NAME
    path.write_text(unit.unit_text(Places.of(system, tmp_path, tmp_path), sys.executable))
    scope = [] if system else ["--user"]
    done = subprocess.run(
        ["systemd-analyze", *scope, "verify", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if unit.NAME in line]
    if done.returncode and not said:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()[:200]}")
    assert said == []


def test_install_writes_enables_and_keeps_the_source_private(tmp_path: Path) -> None:
    places, shell = Places.of(True, tmp_path), Shell()
    told = unit.install(places, shell, "rtsp://u:secret@cam/1", "/usr/bin/python3")
    assert places.unit.read_text().startswith("# Written by")
    assert "secret" not in places.unit.read_text()
    assert places.environment.read_text() == 'SONAR_SOURCE="rtsp://u:secret@cam/1"\n'
    assert places.environment.stat().st_mode & 0o777 == 0o600
    assert ["systemctl", "enable", "--now", "sonar.service"] in shell.ran
    assert ["usermod", "-aG", "video", "sonar"] in shell.ran
    assert not any("secret" in line for line in told)
    unit.install(places, Shell(), None)  # again: the source stays
    assert "secret" in places.environment.read_text()


def test_the_user_unit_starts_at_boot_too(tmp_path: Path) -> None:
    shell = Shell()
    unit.install(Places.of(False, home=tmp_path), shell, "0")
    assert ["loginctl", "enable-linger"] in shell.ran
    assert ["systemctl", "--user", "daemon-reload"] in shell.ran


@pytest.mark.parametrize("source", ['0"\nSONAR_X="1', "a\nb"])
def test_a_source_cannot_smuggle_in_settings(tmp_path: Path, source: str) -> None:
    with pytest.raises(OutputError):
        unit.install(Places.of(True, tmp_path), Shell(), source)


def test_what_systemctl_refuses_is_announced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not start"):
        unit.install(Places.of(True, tmp_path), Shell("enable"), "0")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        unit.install(Places.of(True, tmp_path), Shell(), "0")


def test_without_systemd_it_is_written_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "booted", lambda root=Path("/"): False)
    shell = Shell()
    told = unit.install(Places.of(True, tmp_path), shell, "0")
    assert shell.ran == [] and "systemd does not run here" in told[-1]


def test_uninstall_removes_the_unit_and_leaves_settings(tmp_path: Path) -> None:
    places, shell = Places.of(True, tmp_path), Shell()
    unit.install(places, Shell(), "0")
    unit.uninstall(places, shell)
    assert not places.unit.exists() and places.environment.exists()
    assert shell.ran[0] == ["systemctl", "disable", "--now", "sonar.service"]
    assert "There is no" in unit.uninstall(places, shell)[0]


def test_config_is_looked_up_user_first(tmp_path: Path) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    assert unit.find_config(root, home) is None
    etc = root / "etc/sonar/config.yaml"
    etc.parent.mkdir(parents=True)
    etc.write_text("")
    assert unit.find_config(root, home) == etc
    mine = home / ".config/sonar/config.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("")
    assert unit.find_config(root, home) == mine


def test_the_unit_in_deploy_is_what_install_writes() -> None:
    shipped = Path(__file__).parents[2] / "deploy/systemd/sonar.service"
    written = unit.unit_text(Places.of(True), "/opt/sonar/bin/python")
    assert shipped.read_text() == written


def test_the_unit_forbids_usage_data() -> None:
    assert "\nEnvironment=ORT_DISABLE_TELEMETRY=1\n" in unit.unit_text(Places.of(True))
