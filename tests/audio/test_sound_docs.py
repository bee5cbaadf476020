"""docs/sound.md says what the code does."""

import re
from pathlib import Path

from sonar.audio.cues import mapping, urgency
from sonar.audio.synthesis import EARCONS
from sonar.config import AudioConfig
from sonar.controls import keys
from sonar.types import Band

DOC = Path(__file__).parents[2] / "docs" / "sound.md"


def test_every_earcon_and_scheme_is_explained():
    text = DOC.read_text(encoding="utf-8")
    for name in EARCONS:
        assert f"| `{name}` | " in text
    for scheme in ("continuous", "scan", "quiet"):
        assert f"`audio.scheme: {scheme}`" in text


def test_the_figures_are_those_of_the_code():
    text = DOC.read_text(encoding="utf-8")
    for band in (Band.FAR, Band.NEAR, Band.CLOSE):
        slowest, fastest = urgency.BAND_RATES_HZ[band]
        assert f"| {band} | {slowest:g} to {fastest:g} pulses a second" in text
    pitches = ", ".join(f"({hz:g} Hz)" for hz in mapping.PITCH_HZ.values())
    assert re.sub(r"(low|middle|high) ", "", text).count(pitches) == 1
    assert f"{AudioConfig().pan_db:g} dB louder" in text


def test_every_linked_sound_and_image_is_there_and_small():
    text = DOC.read_text(encoding="utf-8")
    links = set(re.findall(r"\((sound/[^)]+)\)", text))
    assert len(links) >= 14
    for link in links:
        assert 1000 < (DOC.parent / link).stat().st_size < 50_000, link


def test_every_key_and_button_is_in_the_table():
    text = DOC.read_text(encoding="utf-8")
    table = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and "`" in cells[3] and "sonar control" not in cells[3]:
            table[re.findall(r"`(\w+)", cells[3])[0]] = cells
    for key, command in keys.KEYS.items():
        name = {" ": "space", "=": "+"}.get(key, key)
        assert name in table[command.split()[0]][1].replace(",", "").split()
    codes = {113: "MUTE", 114: "VOLUMEDOWN", 115: "VOLUMEUP", 163: "NEXTSONG", 165: "PREVIOUSSONG"}
    for code, name in codes.items():
        assert f"KEY_{name}" in table[keys.BUTTONS[code].split()[0]][2]
    for code in (113, 164):
        assert f"keycode={code},label={keys.BUTTONS[code]}" in text
