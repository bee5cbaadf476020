"""`sonar config`, `doctor` and `devices`."""

import json
from pathlib import Path

from tests.cli.conftest import Run, one_sentence


def test_wrong_configuration(sonar: Run, tmp_path: Path, video: Path) -> None:
    (tmp_path / "my.yaml").write_text("audio:\n  volumedb: 3\n")
    code, _, err = sonar("replay", video, "--out", "out", "--config", "my.yaml")
    assert code == 2 and "my.yaml" in err and "volume_db" in err and "2" in err
    code, _, err = sonar("replay", video, "--out", "out", "--set", "zones.bands.stop_m=9")
    assert code == 2 and one_sentence(err)


def test_schemas(sonar: Run) -> None:
    code, out, _ = sonar("config", "schema")
    assert code == 0 and "properties" in json.loads(out)
    code, out, _ = sonar("config", "schema", "--records")
    assert code == 0 and set(json.loads(out)) == {"frame", "event"}


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
