"""docs/sound.md says what the code does."""

import re
from pathlib import Path

from sonar.audio import mapping
from sonar.audio.earcons import EARCONS
from sonar.config import AudioConfig
from sonar.types import Band

DOC = Path(__file__).parents[2] / "docs" / "sound.md"


def test_every_earcon_and_scheme_is_explained():
    text = DOC.read_text(encoding="utf-8")
    for earcon in EARCONS.values():
        assert f"| `{earcon.name}` | {earcon.meaning} |" in text
    for scheme in ("continuous", "scan", "quiet"):
        assert f"`audio.scheme: {scheme}`" in text


def test_the_figures_are_those_of_the_code():
    text = DOC.read_text(encoding="utf-8")
    for band in (Band.FAR, Band.NEAR, Band.CLOSE):
        slowest, fastest = mapping.BAND_RATES_HZ[band]
        assert f"| {band} | {slowest:g} to {fastest:g} pulses a second" in text
    pitches = ", ".join(f"({hz:g} Hz)" for hz in mapping.PITCH_HZ.values())
    assert re.sub(r"(low|middle|high) ", "", text).count(pitches) == 1
    assert f"{AudioConfig().pan_db:g} dB louder" in text


def test_every_linked_sound_and_picture_is_there_and_small():
    text = DOC.read_text(encoding="utf-8")
    links = set(re.findall(r"\((sound/[^)]+)\)", text))
    assert len(links) >= 14
    for link in links:
        assert 1000 < (DOC.parent / link).stat().st_size < 50_000, link
