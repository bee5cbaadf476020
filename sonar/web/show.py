"""The results as HTML of our own: it reads well with a screen reader, and fits a phone."""

import base64
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2

from sonar.types import SIDES, RgbImage
from sonar.web.live import LiveView
from sonar.web.photo import PhotoResult
from sonar.web.video import VideoResult

FILES = "/gradio_api/file="  # where Gradio serves files of allowed folders


def looked_at(look: PhotoResult) -> str:
    """Heat map and sound of a photo, inside the page: nothing to fetch, nothing kept."""
    alt = f"Heat map of depth, bright is near, with the three zones: {look.sentence}."
    return (
        "<h2>What sonar sees and says</h2>"
        f'<p class="said">{spoken(look)}</p>'
        + _img(look.image, alt)
        + '<p>What would be heard, three seconds: <audio controls aria-label="What would be heard" '
        f'src="{_data("audio/wav", look.sound.read_bytes())}"></audio></p>'
    )


def watched(result: VideoResult) -> str:
    """Player and report of a video."""
    return (
        "<h2>What sonar saw and said</h2>"
        f'<p class="said">{escape(result.sentence)}</p>'
        '<video class="seen" controls playsinline aria-label="Annotated video with its sound" '
        f'src="{_address(result.video)}"></video>'
        f'<p><a href="{_address(result.report)}" download="report.html">Download the report</a>: '
        "one page with the video in it, which works without network.</p>"
    )


def now(view: LiveView) -> str:
    """What a running sonar sees, sounds and says at this moment."""
    report = view.report
    age = "" if report["age_s"] is None else f" The newest frame is {report['age_s']:.1f} s old."
    parts = [f'<p class="said">{escape(_sentence(report["sentence"]))}{age}</p>']
    if view.image is not None:
        parts.append(_img(view.image, f"What the camera sees: {report['sentence']}."))
    elif report["picture_allowed"]:
        parts.append("<p>No frame has come yet.</p>")
    else:
        parts.append(
            "<p>The picture is off, because it shows people who did not ask for it. The sonar that "
            "runs shows it with <code>controls.picture: true</code> in its configuration.</p>"
        )
    parts.append(_zones(report["zones"]))
    parts.append(f"<h2>Heard</h2><p>{escape(_heard(report))}</p>")
    if report["said"]:
        said = "".join(
            f"<li>“{escape(word['text'])}”, {word['ago_s']:.0f} s ago</li>"
            for word in report["said"]
        )
        parts.append(f"<ul>{said}</ul>")
    parts.append(
        f"<p>Sound {'off' if report['muted'] else 'on'}, volume {report['volume_db']:g} dB, "
        f"verbosity {escape(report['verbosity'])}, scheme {escape(report['scheme'])}.</p>"
    )
    return "".join(parts)


def _zones(zones: Mapping[str, Any]) -> str:
    """Three sides, as a table: what, how far, how high, how soon."""
    rows: list[tuple[str, Callable[[Any], str]]] = [
        ("band", lambda zone: zone["band"]),
        ("distance", lambda zone: _unit(zone["distance_m"], "m")),
        ("height", lambda zone: zone["height"] or "–"),
        ("contact in", lambda zone: _unit(zone["ttc_s"], "s")),
    ]
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{escape(read(zones[side]))}</td>" for side in SIDES)
        + "</tr>"
        for name, read in rows
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("left", "ahead", "right"))
    return (
        "<table><caption>Zones</caption>"
        f'<thead><tr><th scope="col">what</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _heard(report: Mapping[str, Any]) -> str:
    heard, cue = report["heard"], report["cue"]
    if heard is None or heard["name"] == "silence":
        return "No tone."
    side = {"left": " on the left", "center": " in the middle", "right": " on the right"}
    said = heard["name"] + side.get(heard["side"], "")
    if cue is not None and cue["kind"] == "pulse":
        said += f", {cue['rate_hz']:.1f} a second"
    return _sentence(said + (f": {heard['why']}" if heard["why"] else ""))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _unit(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.1f} {unit}"


def sentence(text: str) -> str:
    """One sentence."""
    return f'<p class="said">{escape(text)}</p>'


def problem(text: str) -> str:
    """A sentence about what is wrong, with the same place on the page."""
    return f'<p class="said"><strong>Problem:</strong> {escape(text)}</p>'


def facts(found: dict[str, object]) -> str:
    """What a running service reports about itself."""
    rows = "".join(
        f'<tr><th scope="row">{escape(key.replace("_", " "))}</th>'
        f"<td>{escape(str(value))}</td></tr>"
        for key, value in found.items()
        if isinstance(value, str | int | float) and value != ""
    )
    return f"<table><caption>The service on this machine</caption><tbody>{rows}</tbody></table>"


def spoken(look: PhotoResult) -> str:
    """What would be said, and everything in one sentence."""
    said = f"Spoken: “{escape(look.spoken)}”." if look.spoken else "Nothing would be spoken."
    return f"{said} In full: {escape(look.sentence)}."


def _img(image: RgbImage, alt: str) -> str:
    """``image``, uint8 (H, W, 3) RGB, inside the page."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    return f'<img class="seen" alt="{escape(alt, quote=True)}" src="{_data("image/jpeg", jpeg)}">'


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _address(file: Path) -> str:
    return FILES + quote(str(file))
