"""What the service's tests share."""

import pytest

from sonar.service.guide import recorder


@pytest.fixture(autouse=True)
def kept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording is kept without waiting for what follows the event."""
    monkeypatch.setattr(recorder, "AFTER_S", 0.0)
