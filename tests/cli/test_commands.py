"""The root command, `config`, `doctor`, `devices`, and `sonar run` without what it needs."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, one_sentence


def test_usage_errors(sonar: Run) -> None:
    assert sonar("replay")[0] == 2
    assert sonar("fly")[0] == 2
    assert sonar("replay", "x.mp4", "--out", "o", "--fast")[0] == 2


def test_help_and_version(sonar: Run) -> None:
    assert sonar("--version")[1].startswith("sonar ")
    code, out, _ = sonar("--help")
    assert code == 0
    for command in ("run", "replay", "depth", "demo", "doctor", "config", "devices", "train-ear"):
        assert command in out


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_shared_options_may_come_anywhere(sonar: Run, place: int) -> None:
    words = ["config", "show"]
    words[min(place, 2) : min(place, 2)] = ["--set", "audio.volume_db=-20", "--json"]
    code, out, _ = sonar(*words)
    assert code == 0 and json.loads(out)["audio"]["volume_db"] == -20


def test_wrong_configuration(sonar: Run, tmp_path: Path, video: Path) -> None:
    (tmp_path / "my.yaml").write_text("audio:\n  volumedb: 3\n")
    code, _, err = sonar("replay", video, "--out", "out", "--config", "my.yaml")
    assert code == 2 and "my.yaml" in err and "volume_db" in err and "2" in err
    code, _, err = sonar("replay", video, "--out", "out", "--set", "zones.bands.stop_m=9")
    assert code == 2 and one_sentence(err)


def test_devices(sonar: Run) -> None:
    code, out, _ = sonar("devices", "--json")
    assert code == 0 and set(json.loads(out)) == {"cameras", "outputs", "trouble"}


def test_doctor_reports_what_to_do(sonar: Run) -> None:
    code, out, _ = sonar("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert set(findings) == {"model", "sound", "speech", "camera"}
    assert code == 0 and findings["model"]["ok"]
    assert all(finding["ok"] or len(finding["text"]) > 20 for finding in findings.values())
    code, out, _ = sonar("doctor", "--set", "engine.model=missing.onnx")
    assert code == 5 and "MISSING" in out


def test_an_absent_camera(sonar: Run) -> None:
    code, _, err = sonar("run", "camera:93")
    assert code == 4 and one_sentence(err)


def test_an_absent_stream_does_not_show_its_password(sonar: Run) -> None:
    code, out, err = sonar(
        "run", "http://anna:secret@127.0.0.1:9/live", "--set", "capture.open_timeout_s=1"
    )
    assert code in (3, 4) and "secret" not in out + err and one_sentence(err)


def test_a_sound_card_that_was_asked_for_and_is_not_there(sonar: Run, video: Path) -> None:
    code, _, err = sonar(
        "run", video, "--set", "audio.output=device", "--set", "audio.device=no such thing"
    )
    assert code == 4 and one_sentence(err)
