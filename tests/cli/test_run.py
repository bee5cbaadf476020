"""`sonar run` without what it needs."""

from pathlib import Path

from tests.cli.conftest import Run, one_sentence


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
