"""The results as HTML of our own: it reads well with a screen reader, and fits a phone."""

import base64
from html import escape
from pathlib import Path
from urllib.parse import quote

import cv2

from sonar.web.photo import Look
from sonar.web.video import Watched

FILES = "/gradio_api/file="  # where Gradio serves files of allowed folders


def looked_at(look: Look) -> str:
    """Picture and sound of a photo, inside the page: nothing to fetch, nothing kept."""
    bgr = cv2.cvtColor(look.picture, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    alt = f"Heat map of depth, bright is near, with the three zones: {look.sentence}."
    return (
        "<h2>What sonar sees and says</h2>"
        f'<p class="said">{spoken(look)}</p>'
        f'<img class="seen" alt="{escape(alt, quote=True)}" src="{_data("image/jpeg", jpeg)}">'
        '<p>What would be heard, three seconds: <audio controls aria-label="What would be heard" '
        f'src="{_data("audio/wav", look.sound.read_bytes())}"></audio></p>'
    )


def watched(result: Watched) -> str:
    """Player and report of a video."""
    return (
        "<h2>What sonar saw and said</h2>"
        f'<p class="said">{escape(result.sentence)}</p>'
        '<video class="seen" controls playsinline aria-label="Annotated video with its sound" '
        f'src="{_address(result.video)}"></video>'
        f'<p><a href="{_address(result.report)}" download="report.html">Download the report</a>: '
        "one page with the video in it, which works without network.</p>"
    )


def problem(text: str) -> str:
    """A sentence about what is wrong, with the same place on the page."""
    return f'<p class="said"><strong>Problem:</strong> {escape(text)}</p>'


def facts(found: dict[str, object]) -> str:
    """What a running service tells about itself."""
    rows = "".join(
        f'<tr><th scope="row">{escape(key.replace("_", " "))}</th>'
        f"<td>{escape(str(value))}</td></tr>"
        for key, value in found.items()
        if isinstance(value, str | int | float) and value != ""
    )
    return f"<table><caption>The service on this machine</caption><tbody>{rows}</tbody></table>"


def spoken(look: Look) -> str:
    """What would be said, and everything in one sentence."""
    said = f"Spoken: “{escape(look.spoken)}”." if look.spoken else "Nothing would be spoken."
    return f"{said} In full: {escape(look.sentence)}."


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _address(file: Path) -> str:
    return FILES + quote(str(file))
