"""Folders of a user without a home, names as text, atomic writes and locks."""

import errno
import json
import os
from pathlib import Path

import pytest

from sonar import files
from sonar.cli.root import execute as run
from sonar.errors import ConfigError, ModelError, OutputError
from sonar.files import (
    atomic_path,
    cache_home,
    exclusive,
    expanded,
    json_text,
    printable,
    writing,
)


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """HOME is unset and the user has no entry, as in a container with ``--user 12345``."""
    for name in ("HOME", "SONAR_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)


def test_without_a_home_one_sentence_says_what_to_set(
    homeless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no home folder; set HOME, or SONAR_HOME"):
        cache_home()
    with pytest.raises(ConfigError, match="~/x: this user has no home folder"):
        expanded("~/x")
    monkeypatch.setenv("SONAR_HOME", str(tmp_path))
    assert cache_home() == tmp_path


def test_a_command_without_a_home_ends_with_that_sentence(
    homeless: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(["models", "list"]) == 2
    assert capfd.readouterr().err.startswith("sonar: this user has no home folder; set HOME")
    monkeypatch.setenv("SONAR_HOME", str(tmp_path))
    assert run(["models", "list"]) == 0


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", "café.mp4".encode(), b"plain"])
def test_names_that_are_not_utf_8_survive_json(name: bytes) -> None:
    path = os.fsdecode(name)
    printable(path).encode("utf-8")
    text = json_text({"path": path})
    assert text.isascii() and os.fsencode(json.loads(text)["path"]) == name


def test_atomic_write_is_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".onnx"
        temporary.write_bytes(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert target.read_bytes() == b"new"


def test_waiting_for_another_holder_of_a_lock_ends(tmp_path: Path) -> None:
    lock, reported = tmp_path / "lock", list[str]()
    with (
        exclusive(lock, "mine", 1.0),
        pytest.raises(ModelError, match="mine is being worked on by another sonar; try again"),
        exclusive(lock, "mine", 0.1, reported.append),
    ):
        pass
    assert len(reported) == 1 and "waiting" in reported[0]
    with exclusive(lock, "mine", 0.0):
        pass


def test_a_refused_write_is_one_sentence_wherever_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a folder that may not be looked into, and for a user without a home folder."""

    def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setenv("SONAR_HOME", str(tmp_path / "cache"))
    for folder, advice in (("cache", True), ("out", False)):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "stat", refuse)
            refused = pytest.raises(OutputError, match="may not be written to")
            with refused as raised, writing(tmp_path / folder / "file"):
                (tmp_path / folder / "file").stat()
        assert ("SONAR_HOME" in str(raised.value)) is advice

    def homeless() -> Path:
        raise ConfigError("this user has no home folder")

    monkeypatch.setattr(files, "cache_home", homeless)
    with pytest.raises(OutputError, match="no space left"), writing(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
