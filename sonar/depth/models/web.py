"""What a URL may be, how it is named to people, and what a server's words mean."""

import re
import socket
import urllib.parse
import urllib.request
from email.message import Message
from http.client import HTTPMessage
from typing import IO

from sonar.errors import ModelError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class SafeRedirects(urllib.request.HTTPRedirectHandler):
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
        if _is_https(req.full_url) and not _is_https(newurl):
            raise ModelError(f"{label(req.full_url)} redirects to an address without HTTPS")
        check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_url(url: str) -> None:
    """Raises ModelError unless ``url`` is HTTPS, or HTTP to this very machine."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise ModelError(f"{label(url)}: models are fetched over https only")


def label(url: str) -> str:
    """A URL for messages: no credentials, no query."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def looks_like_web_page(head: bytes) -> bool:
    """Whether a file begins like HTML."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    return re.match(rb"<(!doctype html|html|head|body|\?xml|!--)", start) is not None


def _is_https(url: str) -> bool:
    return urllib.parse.urlsplit(url).scheme == "https"


def web_page(url: str) -> ModelError:
    """The error for HTML in the place of a file."""
    return ModelError(
        f"{label(url)} sent a web page instead of the file (a sign-in or proxy page?); nothing "
        "was installed"
    )


def words(reason: object) -> str:
    """A low-level failure for people."""
    if isinstance(reason, socket.gaierror):
        return "its name is not found"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__


def content_range(headers: Message) -> tuple[int | None, int | None]:
    """(first byte, size of the whole) of a Content-Range header, None where not said."""
    match = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", "").strip()
    )
    if match is None:
        return None, None
    first, total = match.groups()
    return (
        None if first is None else int(first),
        None if total == "*" else int(total),
    )
