"""A faulty file server, and no proxy in the way."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from model_server import Server

if TYPE_CHECKING:
    from model_shop import Shop


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.reset(b"")
    return shared_server


@pytest.fixture
def shop(server: Server, tmp_path: Path) -> "Shop":
    from model_shop import Shop  # here, because it skips where onnx is missing

    return Shop(server, tmp_path / "home")
