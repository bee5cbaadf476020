"""One file over HTTPS: resumed where it broke off, its sum checked before anyone uses it.

Ours, because the kept libraries do not resume: pooch starts a file over after a break, and
huggingface_hub fetches from its own servers only (decision 13).
"""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from sonar.errors import ModelError
from sonar.files import Progress, mebibytes, sha256_of, write_error
from sonar.ports import Clock

SILENCE_S = 30.0  # longest wait for a connection, and for the next bytes
ATTEMPTS = 4  # connections in a row that may bring nothing
BACKOFF_S = 1.0  # pause before the second attempt; doubles
MOST_BYTES = 8 << 30  # taken where the size is not known beforehand
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)


class _Dropped(Exception):
    """This connection is over, and another may go on from here."""


def download(
    url: str,
    part: Path,
    sha256: str | None,
    size_bytes: int | None,
    clock: Clock,
    progress: Progress | None = None,
) -> str:
    """Fetch ``url``; afterwards the file ``part`` is whole. Returns its SHA-256.

    ``part`` stays for the next try where ``sha256`` is known, since only the sum can prove that
    the pieces fit. ``size_bytes``: of the whole file, None where not known.

    Raises ModelError for failures of the network and the server, and when what came is not the
    file that was expected (then nothing of it is kept); OutputError for a full disk.
    """
    _check_url(url)
    if sha256 is None:
        part.unlink(missing_ok=True)
    resumed = _size(part) > 0
    _complete(url, part, size_bytes, clock, progress)
    actual = sha256_of(part)
    if sha256 in (None, actual):
        return actual
    part.unlink()
    if resumed:  # an old beginning may not fit today's end: once more, from the first byte
        return download(url, part, sha256, size_bytes, clock, progress)
    raise ModelError(
        f"{_label(url)} gave a damaged or different file: its SHA-256 is {actual}, expected "
        f"{sha256}; nothing was installed"
    )


def _complete(
    url: str, part: Path, size_bytes: int | None, clock: Clock, progress: Progress | None
) -> None:
    """Connect until ``part`` is as long as it should be."""
    failed = 0
    while True:
        before = _size(part)
        try:
            _connection(url, part, before, size_bytes, progress)
            return
        except _Dropped as dropped:
            failed = 0 if _size(part) > before else failed + 1
            if failed >= ATTEMPTS:
                raise ModelError(
                    f"{_label(url)}: {dropped}; {mebibytes(_size(part))} are here, the next try "
                    "goes on from there"
                ) from dropped
        except OSError as error:
            raise write_error(part, error) from error
        clock.sleep(BACKOFF_S * 2**failed)


def _connection(
    url: str, part: Path, start: int, size_bytes: int | None, progress: Progress | None
) -> None:
    """Append what one connection brings. Raises _Dropped where another may help."""
    if start and start == size_bytes:
        return
    headers = {"User-Agent": "sonar-assist", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _open(url, headers, part) as response:
        if response.headers.get_content_type() == "text/html":
            raise ModelError(
                f"{_label(url)} sent a web page instead of the file (a sign-in or proxy page?); "
                "nothing was installed"
            )
        if response.status != 206:
            start = 0  # the server sends the whole file
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise _Dropped("the server sent another part of the file than was asked for")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else size_bytes
        if size_bytes not in (None, total):
            raise ModelError(
                f"{_label(url)} offers a file of {total} bytes, expected {size_bytes}: not the "
                "same file"
            )
        done, most = start, MOST_BYTES if total is None else total
        with part.open("ab" if start else "wb") as file:
            while chunk := _read(response):
                done += len(chunk)
                if done > most:
                    part.unlink()
                    raise ModelError(f"{_label(url)} sent more than the {mebibytes(most)} expected")
                file.write(chunk)
                if progress is not None:
                    progress(done, total)
    if total is not None and done < total:
        raise _Dropped(f"the connection ended after {done} of {total} bytes")


def _open(url: str, headers: dict[str, str], part: Path) -> Any:
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        return opener.open(urllib.request.Request(url, headers=headers), timeout=SILENCE_S)
    except urllib.error.HTTPError as error:
        error.close()
        reason = f"the server answered {error.code} {error.reason}".split("\n", 1)[0]
        if error.code == 416:  # it no longer has the rest of the file
            part.unlink(missing_ok=True)
            raise _Dropped(reason) from error
        if error.code in _TRANSIENT:
            raise _Dropped(reason) from error
        raise ModelError(f"{_label(url)}: {reason}") from error
    except (OSError, http.client.HTTPException) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _Dropped(f"the server cannot be reached ({why})") from error


def _read(response: Any) -> bytes:
    try:
        return bytes(response.read1(1 << 16))
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(f"the connection broke ({error})") from error


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """A few hops, to addresses that :func:`_check_url` takes."""

    max_redirections = 5

    def redirect_request(self, req: Any, *rest: Any) -> urllib.request.Request | None:
        _check_url(rest[-1], local=req.full_url.startswith("http:"))
        return super().redirect_request(req, *rest)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _check_url(url: str, *, local: bool = True) -> None:
    """Raises ModelError unless ``url`` is HTTPS, or (``local``) HTTP to this very machine."""
    parts = urllib.parse.urlsplit(url)
    loopback = local and parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or not (loopback or parts.scheme == "https"):
        raise ModelError(f"{_label(url)}: models are fetched over https only")


def _label(url: str) -> str:
    """A URL for messages: no credentials, no query."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
