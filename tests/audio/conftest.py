"""Makes ``hearing`` importable in the folders below."""

import pytest

from sonar.audio.synthesis import mixer


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next cue may take as long as a test likes."""
    monkeypatch.setattr(mixer, "STALE_S", 3600.0)
