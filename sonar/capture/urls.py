"""Addresses of network streams, fit to be shown."""

import re

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
