"""One file over HTTPS: resumed where it broke off, checked before anyone uses it."""

import errno
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sonar.clock import SystemClock
from sonar.depth.models.web import (
    SafeRedirects,
    check_url,
    content_range,
    label,
    looks_like_web_page,
    web_page,
    words,
)
from sonar.errors import ModelError
from sonar.files import Progress, mebibytes, require_space, sha256_of, write_error
from sonar.ports import Clock

_READ_BYTES = 1 << 16
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
        slow_bytes, slow_s: fewer bytes than this in that time count as a dropped connection.
        file_bytes: largest file taken from a server where the size is not known beforehand.
    """

    silence_s: float = 30.0
    attempts: int = 4
    connections: int = 50
    backoff_s: float = 1.0
    slow_bytes: int = 64 << 10
    slow_s: float = 60.0
    file_bytes: int = 8 << 30


@dataclass(slots=True)
class Download:
    """What is to be fetched and how.

    Attributes:
        urls: tried in order.
        part: where the bytes gather; kept for resuming, beside it a note ``<part>.json`` of what
            they belong to.
        size_bytes, sha256: of the whole file, or None where not known.
    """

    urls: Sequence[str]
    part: Path
    size_bytes: int | None = None
    sha256: str | None = None
    limits: FetchLimits = field(default_factory=FetchLimits)
    clock: Clock = field(default_factory=SystemClock)
    progress: Progress | None = None

    def run(self) -> tuple[str, str]:
        """Fetch; afterwards ``part`` is the whole file. Returns (its SHA-256, the URL).

        Raises Unreachable for network and server failures, ModelError when what came is not the
        file that was expected (then nothing of it is kept), OutputError for a full disk.
        """
        failures: list[ModelError] = []
        for url in self.urls:
            try:
                return self._verified(url), url
            except ModelError as error:
                failures.append(error)
        if not failures:
            raise ModelError("there is no address to fetch this model from")
        # the file being wrong says more than a server being away
        raise next((e for e in failures if not isinstance(e, Unreachable)), failures[0])

    def discard(self) -> None:
        """Forget what has been fetched."""
        self.part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _verified(self, url: str) -> str:
        check_url(url)
        resumed = self._have() > 0
        self._complete(url)
        actual = sha256_of(self.part)
        if self.sha256 not in (None, actual) and resumed:
            # an old beginning may not fit today's end: once more, from the first byte
            self.discard()
            self._complete(url)
            actual = sha256_of(self.part)
        if self.sha256 not in (None, actual):
            self.discard()
            raise ModelError(
                f"{label(url)} gave a damaged or different file: its SHA-256 is {actual}, "
                f"expected {self.sha256}; nothing was installed"
            )
        return actual

    def _complete(self, url: str) -> None:
        failed = 0
        for _ in range(self.limits.connections):
            before = self._have()
            try:
                self._connection(url)
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
            f"{label(url)}: {reason}; {mebibytes(self._have())} are kept, the next try goes on "
            "from there"
        )

    def _connection(self, url: str) -> None:
        """One connection: append what it brings. Raises _Dropped where another may help."""
        start, validator = self._resumable(url)
        if start and start == self.size_bytes:
            return
        headers = {"User-Agent": "sonar-assist", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator:
                headers["If-Range"] = validator
        try:
            response = self._open(urllib.request.Request(url, headers=headers))
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416 and start:
                    if content_range(error.headers)[1] == start:
                        return  # it was complete already
                    self.discard()
                    raise _Dropped("the server no longer has the rest of the file") from error
                raise _http_failure(url, error) from error
        with response:
            self._receive(url, response, start)

    def _resumable(self, url: str) -> tuple[int, str | None]:
        """(bytes that can be kept, the server's mark of that version)."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            known, validator = note["url"] == url, note["validator"]
        except (OSError, ValueError, KeyError, TypeError):
            known, validator = False, None
        have = self._have()
        too_long = self.size_bytes is not None and have > self.size_bytes
        # without the server's mark only a known SHA-256 can tell that the pieces fit
        if not known or too_long or (validator is None and self.sha256 is None):
            self.discard()
            return 0, None
        return have, validator

    def _open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        opener = urllib.request.build_opener(SafeRedirects)
        try:
            opened: http.client.HTTPResponse = opener.open(request, timeout=self.limits.silence_s)
            return opened
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError as error:
            raise _connect_failure(request.full_url, error.reason, self._have() > 0) from error
        except (OSError, http.client.HTTPException) as error:
            raise _connect_failure(request.full_url, error, self._have() > 0) from error

    def _receive(self, url: str, response: http.client.HTTPResponse, start: int) -> None:
        if response.status not in (200, 206):
            raise Unreachable(f"{label(url)} answered {response.status} {response.reason}")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ModelError(f"{label(url)} sent a re-encoded file, which cannot be checked")
        if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise web_page(url)
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        if response.status == 206:
            first, total = content_range(response.headers)
            if first != start:
                self.discard()
                raise _Dropped("the server sent another part of the file than was asked for")
        else:
            start = 0
        total = self._checked_total(url, total)
        require_space(self.part.parent, (total or 0) - start)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if validator is not None and validator.startswith("W/"):
            validator = None
        self._note.write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")
        with self.part.open("ab" if start else "wb", buffering=0) as file:
            end = self._copy(url, response, file, start, total)
        if total is not None and end < total:
            raise _Dropped(f"the connection ended after {end} of {total} bytes")

    def _checked_total(self, url: str, total: int | None) -> int | None:
        if total is not None and self.size_bytes is not None and total != self.size_bytes:
            raise ModelError(
                f"{label(url)} offers a file of {total} bytes, expected {self.size_bytes}: "
                "not the same file"
            )
        if total is not None and total > self.limits.file_bytes:
            raise ModelError(
                f"{label(url)} offers {mebibytes(total)}, more than any model sonar takes"
            )
        return total if total is not None else self.size_bytes

    def _copy(
        self,
        url: str,
        response: http.client.HTTPResponse,
        file: IO[bytes],
        done: int,
        total: int | None,
    ) -> int:
        most = total if total is not None else self.limits.file_bytes
        window_start, window_bytes = self.clock.now(), 0
        while done < most or total is None:
            try:
                chunk = response.read1(_READ_BYTES)
            except TimeoutError as error:
                raise _Dropped(f"nothing came for {self.limits.silence_s:g} s") from error
            except (OSError, http.client.HTTPException) as error:
                raise _Dropped(f"the connection broke ({words(error)})") from error
            if not chunk:
                break
            if done == 0 and looks_like_web_page(chunk):
                self.discard()
                raise web_page(url)
            if done + len(chunk) > most:
                self.discard()
                raise ModelError(f"{label(url)} sent more than the {mebibytes(most)} expected")
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
            done += len(chunk)
            window_bytes += len(chunk)
            if self.progress is not None:
                self.progress(done, total)
            elapsed = self.clock.now() - window_start
            if elapsed >= self.limits.slow_s:
                if window_bytes < self.limits.slow_bytes:
                    raise _Dropped(f"only {window_bytes} bytes in {elapsed:.0f} s")
                window_start, window_bytes = self.clock.now(), 0
        return done


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
        return _Dropped(f"the server cannot be reached ({words(reason)})")
    host = urllib.parse.urlsplit(url).hostname
    return Unreachable(f"{host} cannot be reached ({words(reason)})")
