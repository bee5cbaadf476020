"""A file server that fails on command, for the tests of downloading."""

import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Act = Callable[["Handler"], None]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Asks its server what to do; HTTP/1.1, one request a connection."""

    protocol_version = "HTTP/1.1"
    server: "FileServer"

    def do_GET(self) -> None:
        owner = self.server.owner
        with owner.lock:
            owner.requests.append(self.path)
            act = owner.script.pop(0) if owner.script else owner.always
        self.close_connection = True
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client left
            act(self)

    def log_message(self, *args: object) -> None:
        pass

    def head(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()


class FileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: "Server") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.owner = owner

    def handle_error(self, *args: object) -> None:
        pass


class Server:
    """Serves ``payload``; ``script`` holds what the next requests get instead.

    ``requests`` are their paths, in order.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.payload = b""
        self.script: list[Act] = []
        self.always: Act = whole()
        self.requests: list[str] = []
        self._http = FileServer(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/model.onnx"

    def reset(self, payload: bytes) -> None:
        self.payload, self.script, self.always, self.requests = payload, [], whole(), []

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


def whole(drop_after: int | None = None, announce: bool = True) -> Act:
    """The file; only ``drop_after`` bytes of it, then the line is cut."""

    def act(handler: Handler) -> None:
        body = handler.server.owner.payload
        handler.head(200, len(body) if announce else None)
        handler.wfile.write(body if drop_after is None else body[:drop_after])
        handler.wfile.flush()
        if drop_after is not None:
            handler.connection.shutdown(socket.SHUT_RDWR)

    return act


def answer(status: int, body: bytes = b"", **headers: str) -> Act:
    """A fixed answer."""

    def act(handler: Handler) -> None:
        handler.head(status, len(body), **headers)
        handler.wfile.write(body)

    return act


def silent(release: threading.Event) -> Act:
    """Takes the request and says nothing until ``release``."""
    return lambda handler: (release.wait(20), None)[1]
