"""What the service's tests share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from guide_kit import Service

from sonar.service.guide import recorder


@pytest.fixture(autouse=True)
def kept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording is kept without waiting for what follows the event."""
    monkeypatch.setattr(recorder, "AFTER_S", 0.0)


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Makes guides that guide already, and ends them."""
    with ExitStack() as made:

        def start(**options: Any) -> Service:
            service = Service(**options)
            made.callback(service.stop)
            service.wait(lambda: service.beats[-1:] and service.beats[-1].frames > 5, "guidance")
            return service

        yield start
