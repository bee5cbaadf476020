"""One file over HTTPS: resumed where it broke off, its sum checked before anyone uses it.

Ours, because the kept libraries do not resume: pooch starts a file over after a break, and
huggingface_hub fetches from its own servers only.
"""

import errno
import http.client
import re
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO

from sonar.clock import SystemClock
from sonar.errors import ModelError
from sonar.files import Progress, mebibytes, require_space, sha256_of, write_error
from sonar.ports import Clock

READ_BYTES = 1 << 16
MOST_BYTES = 8 << 30  # taken where the size is not known beforehand
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class Unreachable(ModelError):
    """The network or the server failed; the file itself may be fine."""


class _Dropped(Exception):
    """This connection is over, and another may go on from here."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How long and how often.

    Attributes:
        silence_s: longest wait for a connection, and for the next bytes.
        attempts: connections in a row that may bring nothing.
        connections: connections in all.
        backoff_s: pause before the second attempt; doubles, 30 s at most.
    """

    silence_s: float = 30.0
    attempts: int = 4
    connections: int = 50
    backoff_s: float = 1.0


@dataclass(slots=True)
class Download:
    """What is to be fetched and how.

    Attributes:
        url: where from.
        part: where the bytes gather; kept for resuming where ``sha256`` is known, since only the
            sum can prove that the pieces fit.
        size_bytes, sha256: of the whole file, or None where not known.
    """

    url: str
    part: Path
    size_bytes: int | None = None
    sha256: str | None = None
    limits: FetchLimits = field(default_factory=FetchLimits)
    clock: Clock = field(default_factory=SystemClock)
    progress: Progress | None = None

    def run(self) -> str:
        """Fetch; afterwards ``part`` is the whole file. Returns its SHA-256.

        Raises Unreachable for network and server failures, ModelError when what came is not the
        file that was expected (then nothing of it is kept), OutputError for a full disk.
        """
        check_url(self.url)
        if self.sha256 is None:
            self.discard()
        resumed = self._have() > 0
        self._complete()
        actual = sha256_of(self.part)
        if self.sha256 not in (None, actual) and resumed:
            # an old beginning may not fit today's end: once more, from the first byte
            self.discard()
            self._complete()
            actual = sha256_of(self.part)
        if self.sha256 not in (None, actual):
            self.discard()
            raise ModelError(
                f"{label(self.url)} gave a damaged or different file: its SHA-256 is {actual}, "
                f"expected {self.sha256}; nothing was installed"
            )
        return actual

    def discard(self) -> None:
        """Forget what has been fetched."""
        self.part.unlink(missing_ok=True)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _complete(self) -> None:
        failed = 0
        for _ in range(self.limits.connections):
            before = self._have()
            try:
                self._connection(before)
                return
            except _Dropped as dropped:
                reason = dropped
            except OSError as error:
                raise write_error(self.part, error) from error
            failed = 0 if self._have() > before else failed + 1
            if failed >= self.limits.attempts:
                break
            self.clock.sleep(min(30.0, self.limits.backoff_s * 2**failed))
        raise Unreachable(
            f"{label(self.url)}: {reason}; {mebibytes(self._have())} are here, the next try goes "
            "on from there"
        )

    def _connection(self, start: int) -> None:
        """One connection: append what it brings. Raises _Dropped where another may help."""
        if self.size_bytes is not None and start > self.size_bytes:
            self.discard()
            start = 0
        if start and start == self.size_bytes:
            return
        headers = {"User-Agent": "sonar-assist", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with self._open(urllib.request.Request(self.url, headers=headers), start) as response:
            content = response.headers.get_content_type()
            if content in ("text/html", "application/xhtml+xml"):
                raise ModelError(
                    f"{label(self.url)} sent a web page instead of the file (a sign-in or proxy "
                    "page?); nothing was installed"
                )
            if response.status == 206:
                where = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
                if where is None or int(where[1]) != start:
                    self.discard()
                    raise _Dropped("the server sent another part of the file than was asked for")
            else:
                start = 0
            self._receive(response, start)

    def _open(self, request: urllib.request.Request, start: int) -> HTTPResponse:
        opener = urllib.request.build_opener(_SafeRedirects)
        try:
            opened: HTTPResponse = opener.open(request, timeout=self.limits.silence_s)
            return opened
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416 and start:
                    self.discard()
                    raise _Dropped("the server no longer has the rest of the file") from error
                raise _http_failure(self.url, error) from error
        except urllib.error.URLError as error:
            raise _connect_failure(self.url, error.reason, start > 0) from error
        except (OSError, http.client.HTTPException) as error:
            raise _connect_failure(self.url, error, start > 0) from error

    def _receive(self, response: HTTPResponse, done: int) -> None:
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else self.size_bytes
        if self.size_bytes not in (None, total):
            raise ModelError(
                f"{label(self.url)} offers a file of {total} bytes, expected {self.size_bytes}: "
                "not the same file"
            )
        most = total if total is not None else MOST_BYTES
        require_space(self.part.parent, (total or 0) - done)
        with self.part.open("ab" if done else "wb", buffering=0) as file:
            while chunk := self._read(response):
                done += len(chunk)
                if done > most:
                    self.discard()
                    raise ModelError(
                        f"{label(self.url)} sent more than the {mebibytes(most)} expected"
                    )
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) :]
                if self.progress is not None:
                    self.progress(done, total)
        if total is not None and done < total:
            raise _Dropped(f"the connection ended after {done} of {total} bytes")

    def _read(self, response: HTTPResponse) -> bytes:
        try:
            return response.read1(READ_BYTES)
        except TimeoutError as error:
            raise _Dropped(f"nothing came for {self.limits.silence_s:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise _Dropped(f"the connection broke ({_words(error)})") from error


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """A few hops, never away from HTTPS."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise ModelError(f"{label(req.full_url)} redirects to an address without HTTPS")
        check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_url(url: str) -> None:
    """Raises ModelError unless ``url`` is HTTPS, or HTTP to this very machine."""
    parts = urllib.parse.urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not local and not (parts.scheme == "https" and parts.hostname):
        raise ModelError(f"{label(url)}: models are fetched over https only")


def label(url: str) -> str:
    """A URL for messages: no credentials, no query."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _http_failure(url: str, error: urllib.error.HTTPError) -> Exception:
    if 300 <= error.code < 400:
        return Unreachable(f"{label(url)} redirects in a circle or too often")
    if error.code in _TRANSIENT:
        return _Dropped(f"the server answered {error.code} {error.reason}")
    return Unreachable(f"{label(url)}: the server answered {error.code} {error.reason}")


def _connect_failure(url: str, reason: object, begun: bool) -> Exception:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Unreachable(f"{label(url)}: the server's certificate is not trusted")
    offline = isinstance(reason, socket.gaierror | ConnectionRefusedError) or (
        isinstance(reason, OSError) and reason.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    )
    if begun or not offline:
        return _Dropped(f"the server cannot be reached ({_words(reason)})")
    host = urllib.parse.urlsplit(url).hostname
    return Unreachable(f"{host} cannot be reached ({_words(reason)})")


def _words(reason: object) -> str:
    """A low-level failure for people."""
    if isinstance(reason, socket.gaierror):
        return "its name is not found"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
