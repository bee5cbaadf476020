"""Addresses of network streams and names of files, fit to be shown."""

import re
from pathlib import Path

from sonar.errors import SourceError

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")

_URL = re.compile(r"^([a-z][a-z0-9+.-]*)://(.*)$", re.IGNORECASE | re.DOTALL)


def scheme_of(spec: str) -> str | None:
    """``rtsp`` of ``RTSP://...``; None where ``spec`` is no URL."""
    match = _URL.match(spec)
    return match.group(1).lower() if match else None


def redact_url(url: str) -> str:
    """``url`` without what may be secret: user and password, query and fragment.

    Errs on the side of hiding: everything before the last ``@`` counts as credentials, since
    passwords with an unescaped ``/`` or ``@`` are common in camera URLs; where an ``@`` follows a
    ``?``, either side of it may be the secret, and only the scheme is left.
    """
    match = _URL.match(url)
    if not match:
        return url
    scheme, rest = match.group(1).lower(), match.group(2)
    place, *query = re.split(r"[?#]", rest, maxsplit=1)
    if query and "@" in query[0]:
        return f"{scheme}://***"
    _, at, host_and_path = place.rpartition("@")
    return f"{scheme}://{'***@' if at else ''}{host_and_path}{'?***' if query else ''}"


def path_of(url: str) -> str:
    """The path of ``url``, without query and fragment."""
    match = _URL.match(url)
    return re.split(r"[?#]", match.group(2), maxsplit=1)[0] if match else ""


def port_is_odd(url: str) -> bool:
    """Whether the port of ``url`` is no number: a password with an unescaped ``/``, ``?`` or ``#``.

    The part of it before that would be taken for a host, and asked for in the network.
    """
    match = _URL.match(url)
    place = re.split(r"[/?#]", match.group(2), maxsplit=1)[0] if match else ""
    _, _, port = re.sub(r"\[.*\]", "", place.rpartition("@")[2]).partition(":")
    return bool(port) and not port.isdecimal()


def check_file(path: Path) -> None:
    """Raises SourceError where ``path`` is not a file with something in it that can be read."""
    try:
        if not path.is_file():
            raise SourceError(f"{path} {'is not a file' if path.exists() else 'does not exist'}.")
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty (0 bytes).")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid name"
        raise SourceError(f"{str(path)[:200]} cannot be read: {reason}.") from error
