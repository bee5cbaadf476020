"""The results as HTML of our own: it reads well with a screen reader, and fits a phone."""

import base64
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2

from sonar.types import SIDES, RgbImage
from sonar.web.live import Seen
from sonar.web.photo import Look
from sonar.web.video import Watched

FILES = "/gradio_api/file="  # where Gradio serves files of allowed folders


def looked_at(look: Look) -> str:
    """Picture and sound of a photo, inside the page: nothing to fetch, nothing kept."""
    alt = f"Heat map of depth, bright is near, with the three zones: {look.sentence}."
    return (
        "<h2>What sonar sees and says</h2>"
        f'<p class="said">{spoken(look)}</p>'
        + _picture(look.picture, alt)
        + '<p>What would be heard, three seconds: <audio controls aria-label="What would be heard" '
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


def now(seen: Seen) -> str:
    """What a running sonar sees, sounds and says at this moment."""
    told = seen.told
    age = "" if told["age_s"] is None else f" The newest picture is {told['age_s']:.1f} s old."
    parts = [f'<p class="said">{escape(_sentence(told["sentence"]))}{age}</p>']
    if seen.picture is not None:
        parts.append(_picture(seen.picture, f"What the camera sees: {told['sentence']}."))
    elif told["picture_allowed"]:
        parts.append("<p>No picture has come yet.</p>")
    else:
        parts.append(
            "<p>The picture is off, because it shows people who did not ask for it. The sonar that "
            "runs shows it with <code>controls.picture: true</code> in its configuration.</p>"
        )
    parts.append(_zones(told["zones"]))
    parts.append(f"<h2>Heard</h2><p>{escape(_heard(told))}</p>")
    if told["said"]:
        said = "".join(
            f"<li>“{escape(word['text'])}”, {word['ago_s']:.0f} s ago</li>" for word in told["said"]
        )
        parts.append(f"<ul>{said}</ul>")
    parts.append(
        f"<p>Sound {'off' if told['muted'] else 'on'}, volume {told['volume_db']:g} dB, verbosity "
        f"{escape(told['verbosity'])}, scheme {escape(told['scheme'])}.</p>"
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
        + "".join(f"<td>{escape(told(zones[side]))}</td>" for side in SIDES)
        + "</tr>"
        for name, told in rows
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("left", "ahead", "right"))
    return (
        "<table><caption>Zones</caption>"
        f'<thead><tr><th scope="col">what</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _heard(told: Mapping[str, Any]) -> str:
    heard, cue = told["heard"], told["cue"]
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


def said(text: str) -> str:
    """One sentence."""
    return f'<p class="said">{escape(text)}</p>'


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


def _picture(image: RgbImage, alt: str) -> str:
    """``image``, uint8 (H, W, 3) RGB, inside the page."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    return f'<img class="seen" alt="{escape(alt, quote=True)}" src="{_data("image/jpeg", jpeg)}">'


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _address(file: Path) -> str:
    return FILES + quote(str(file))
