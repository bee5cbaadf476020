"""The root command: options that stand anywhere, usage errors, help."""

import json

import pytest

from tests.cli.conftest import Run


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
def test_shared_options_stand_anywhere(sonar: Run, place: int) -> None:
    words = ["config", "show"]
    words[min(place, 2) : min(place, 2)] = ["--set", "audio.volume_db=-20", "--json"]
    code, out, _ = sonar(*words)
    assert code == 0 and json.loads(out)["audio"]["volume_db"] == -20
