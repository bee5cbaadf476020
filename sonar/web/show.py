"""Results as HTML, from the templates beside: it reads well with a screen reader."""

import base64
from functools import partial

import cv2

from sonar.replay.report import render
from sonar.types import RgbImage

fill = partial(render, package="sonar.web")  # a part of the page; what comes in is escaped


def sentence(text: str, *, problem: bool = False) -> str:
    """One sentence, marked where it is about what is wrong."""
    return fill("sentence.html", text=text, problem=problem)


def capital(text: str) -> str:
    """``text`` as a sentence: with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def image_address(image: RgbImage) -> str:
    """``image``, uint8 (H, W, 3) RGB, as an address that holds it."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return data_address("image/jpeg", jpeg.tobytes())


def data_address(kind: str, content: bytes) -> str:
    """``content`` as an address that holds it: nothing to fetch, nothing kept."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
