"""One file over HTTPS, by pooch: its sum is checked before anyone uses it."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from sonar.errors import ModelError
from sonar.files import Progress, write_error

SILENCE_S = 30.0  # longest wait for a connection, and for the next bytes
ATTEMPTS = 3  # each from the first byte
MOST_BYTES = 8 << 30  # taken where the size is not known beforehand
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TRANSIENT = (408, 425, 429)


def download(
    url: str, target: Path, sha256: str | None, size_bytes: int | None, progress: Progress | None
) -> None:
    """Fetch ``url`` to ``target``, whose folder exists; nothing is there until it is whole.

    ``sha256`` and ``size_bytes`` are the file's, None where not known. Raises ModelError for
    failures of the network and the server, and when what came is not the file that was expected;
    OutputError for a full disk.
    """
    import pooch
    from requests.exceptions import RequestException

    _check_url(url)
    target.unlink(missing_ok=True)
    pooch.get_logger().setLevel("ERROR")
    keeper = pooch.create(
        target.parent,
        base_url="",
        registry={target.name: sha256},
        urls={target.name: url},
        retry_if_failed=ATTEMPTS - 1,
    )
    by_http = pooch.HTTPDownloader(
        progressbar=_Bar(progress or (lambda done, total: None)),
        chunk_size=1 << 16,
        timeout=SILENCE_S,
        headers={"Accept-Encoding": "identity"},
        hooks={"response": partial(_check_answer, most=size_bytes or MOST_BYTES)},
    )
    try:
        keeper.fetch(target.name, downloader=by_http)
    except RequestException as error:
        answer, how = error.response, f"the server cannot be reached ({type(error).__name__})"
        if answer is not None:
            how = f"the server answered {answer.status_code} {answer.reason}"
        raise ModelError(f"{_label(url)}: {how}") from error
    except ValueError as error:  # pooch's, for a wrong sum
        raise ModelError(
            f"{_label(url)} gave a damaged or different file: its SHA-256 is not {sha256}; "
            "nothing was installed"
        ) from error
    except OSError as error:
        raise write_error(target, error) from error


@dataclass
class _Bar:
    """pooch's progress bar, for a :data:`sonar.files.Progress`."""

    progress: Progress
    total: int = 0
    done: int = 0

    def update(self, count: int) -> None:
        self.done = min(self.done + count, self.total)
        self.progress(self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None: ...


def _check_answer(response: Any, *_: Any, most: int, **__: Any) -> None:
    """Refuse an answer that is not the file, before any of it is read. Raises ModelError."""
    label, length = _label(response.url), response.headers.get("Content-Length", "")
    if response.is_redirect:
        there = urljoin(response.url, response.headers["Location"])
        _check_url(there, local=response.url.startswith("http:"))
    elif 400 <= response.status_code < 500 and response.status_code not in _TRANSIENT:
        raise ModelError(f"{label}: the server answered {response.status_code} {response.reason}")
    elif response.ok and response.headers.get("Content-Type", "").startswith("text/html"):
        raise ModelError(f"{label} sent a web page instead of the file (a sign-in or proxy page?)")
    elif response.ok and (not length.isdecimal() or int(length) > most):
        raise ModelError(f"{label} offers {length or 'unnumbered'} bytes, expected at most {most}")


def _check_url(url: str, *, local: bool = True) -> None:
    """Raises ModelError unless ``url`` is HTTPS, or (``local``) HTTP to this very machine."""
    parts = urlsplit(url)
    loopback = local and parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or not (loopback or parts.scheme == "https"):
        raise ModelError(f"{_label(url)}: models are fetched over https only")


def _label(url: str) -> str:
    """A URL for messages: no credentials, no query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
