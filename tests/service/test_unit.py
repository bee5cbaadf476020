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
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(unit, "booted", lambda: True)


def test_the_unit_is_supervised_hardened_and_as_in_deploy() -> None:
    shipped = (Path(__file__).parents[2] / "deploy/systemd/sonar.service").read_text()
    assert shipped == unit.unit_text(Places.of(True), "/opt/sonar/bin/python")
    for line in (
        *("Type=notify", "WatchdogSec=15", "Restart=on-failure", "StartLimitBurst=5"),
        *("RestartPreventExitStatus=2", "NoNewPrivileges=yes", "ProtectSystem=strict"),
        *("User=sonar", "SupplementaryGroups=audio video input", "DevicePolicy=closed"),
        *("Environment=ORT_DISABLE_TELEMETRY=1", "WantedBy=multi-user.target"),
    ):
        assert f"\n{line}\n" in shipped
    text = unit.unit_text(Places.of(False))
    assert "User=" not in text and "DevicePolicy" not in text
    assert "WantedBy=default.target" in text and "ReadWritePaths" in text


@pytest.mark.parametrize("system", [True, False])
def test_systemd_verifies_it(tmp_path: Path, system: bool) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / unit.NAME
    path.write_text(unit.unit_text(Places.of(system, tmp_path), sys.executable))
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
    done = unit.install(places, shell, "rtsp://u:secret@cam/1")
    assert places.unit.read_text().startswith("# Written by")
    assert "secret" not in places.unit.read_text()
    assert places.environment.read_text() == 'SONAR_SOURCE="rtsp://u:secret@cam/1"\n'
    assert places.environment.stat().st_mode & 0o777 == 0o600
    assert ["systemctl", "enable", "--now", "sonar.service"] in shell.ran
    assert ["usermod", "-aG", "video", "sonar"] in shell.ran
    assert not any("secret" in line for line in done)
    unit.install(places, Shell(), None)  # again: the source stays
    assert "secret" in places.environment.read_text()


def test_the_user_unit_starts_at_boot_too(tmp_path: Path) -> None:
    shell = Shell()
    unit.install(Places.of(False), shell, "0")
    assert ["loginctl", "enable-linger"] in shell.ran
    assert ["systemctl", "--user", "daemon-reload"] in shell.ran


@pytest.mark.parametrize(
    ("source", "fails", "says"),
    [
        ('0"\nSONAR_X="1', "", "line break"),  # no settings can be smuggled in
        ("a\nb", "", "line break"),
        ("0", "enable", "could not start"),
        ("0", "write", "cannot be written"),
    ],
)
def test_an_install_that_fails_says_why(tmp_path: Path, source: str, fails: str, says: str) -> None:
    etc = tmp_path / "etc"
    if fails == "write":
        etc.write_text("a file")
    with pytest.raises(OutputError, match=says):
        unit.install(Places.of(True, etc), Shell(fails), source)


def test_uninstall_removes_the_unit_and_leaves_settings(tmp_path: Path) -> None:
    places, shell = Places.of(True, tmp_path), Shell()
    unit.install(places, Shell(), "0")
    unit.uninstall(places, shell)
    assert not places.unit.exists() and places.environment.exists()
    assert shell.ran[0] == ["systemctl", "disable", "--now", "sonar.service"]
    unit.uninstall(places, shell)  # again


def test_config_is_looked_up_user_first(tmp_path: Path) -> None:
    assert unit.find_config(tmp_path) is None
    for path in (tmp_path / "sonar/config.yaml", tmp_path / "home/sonar/config.yaml"):
        path.parent.mkdir(parents=True)
        path.write_text("")
        assert unit.find_config(tmp_path) == path


def test_the_unit_in_deploy_is_what_install_writes() -> None:
    shipped = Path(__file__).parents[2] / "deploy/systemd/sonar.service"
    written = unit.unit_text(Places.of(True), "/opt/sonar/bin/python")
    assert shipped.read_text() == written


def test_the_unit_forbids_usage_data() -> None:
    assert "\nEnvironment=ORT_DISABLE_TELEMETRY=1\n" in unit.unit_text(Places.of(True))
