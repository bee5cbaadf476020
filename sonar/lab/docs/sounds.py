"""Render the sounds that docs/sound.md explains: docs/sound/*.ogg and their spectrograms.

    scripts/render_sounds [FOLDER [NAME ...]]

Phrases are heard where espeak-ng is installed; tones are the same without it.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from sonar.audio.cues import PulseMapper
from sonar.audio.speech.bank import SpeechBank
from sonar.audio.synthesis import EARCONS, Mixer
from sonar.capture.synthetic import Box, SyntheticScene, SyntheticSource, floor
from sonar.config import AudioConfig, MountConfig, SpeechConfig, ZonesConfig
from sonar.testing.audio import CollectSink
from sonar.testing.exact import ExactDepth
from sonar.types import SIDES, Band, Height, Reason, Scene, State, ZoneReading
from sonar.zones import DepthZones

SOUNDS = Path(__file__).resolve().parents[3] / "docs" / "sound"
RATE_HZ, FRAMES_HZ = 48000, 30
Reading = tuple[Band, float, dict[str, Any]]
CLEAR: Reading = (Band.CLEAR, 0.0, {})
Story = Callable[[float], Scene]


def scene(
    t: float, left: Reading = CLEAR, center: Reading = CLEAR, right: Reading = CLEAR, **more: Any
) -> Scene:
    zones: dict[str, Any] = {
        side.value: ZoneReading(side, band, proximity, **fields)
        for side, (band, proximity, fields) in zip(SIDES, (left, center, right), strict=True)
    }
    return Scene(round(t * 1000), t, **zones, **more)


def wall(distance_m: float, **more: Any) -> Reading:
    edges = [(0.6, Band.STOP), (1.2, Band.CLOSE), (2.5, Band.NEAR), (4.0, Band.FAR)]
    band = next((band for edge, band in edges if distance_m <= edge), Band.CLEAR)
    proximity = min(1.0, 0.6 / max(distance_m, 0.6))
    return (band, proximity, {"distance_m": distance_m, "height": Height.BODY, **more})


def approach(t: float) -> Scene:
    """A wall straight ahead, from 4.5 m to touching distance at 0.6 m/s, then a way out."""
    return scene(t, center=wall(4.5 - 0.6 * t)) if t < 7.5 else scene(t)


def sides(t: float) -> Scene:
    zone = wall(1.0)
    return [scene(t, zone), scene(t, CLEAR, zone), scene(t, CLEAR, CLEAR, zone), scene(t)][
        min(int(t / 1.5), 3)
    ]


def heights(t: float) -> Scene:
    which = min(int(t / 1.5), 3)
    if which == 3:
        return scene(t)
    return scene(t, center=wall(1.0, height=(Height.FLOOR, Height.BODY, Height.HEAD)[which]))


def dangers(t: float) -> Scene:
    if t < 0.5:
        return scene(t)
    if t < 2.5:
        return scene(t, right=wall(0.5))
    if t < 3.5:
        return scene(t)
    return scene(t, drop_off=t < 6.0, drop_off_distance_m=1.6)


def blind(t: float) -> Scene:
    if t < 0.5 or t > 7.0:
        return scene(t)
    if t < 4.5:
        return Scene.unknown(round(t * 1000), t, Reason.COVERED)
    return scene(t, wall(1.0), (Band.UNKNOWN, 0.0, {}))


def states(t: float) -> Scene:
    if t < 3.0:
        return scene(t, state=State.LOADING)
    return scene(t, state=State.READY) if t < 5.0 else scene(t, state=State.STOPPED)


@cache
def room() -> Scene:
    """A table on the left, a sign that hangs ahead, a post on the right, as zones see them."""
    boxes = (
        Box((-1.6, 2.2, 0.0), (-0.9, 2.9, 0.75), name="table"),
        Box((-0.3, 3.0, 1.5), (0.3, 3.1, 1.8), name="sign"),
        Box((1.0, 2.0, 0.0), (1.2, 2.2, 1.7), name="post"),
    )
    source = SyntheticSource(SyntheticScene((floor(), *boxes)), frames=8, size=(96, 128))
    engine = ExactDepth(source)
    zones = DepthZones(ZonesConfig(), MountConfig(height_m=1.4, pitch_deg=10.0, hfov_deg=62.0))
    for frame in map(source.frame_at, range(8)):
        seen = zones.update(engine.estimate(frame), frame)
    return seen


def explore(t: float) -> Scene:
    return replace(room(), frame_id=round(t * 1000), t=t)


STORIES: dict[str, tuple[Story, float, dict[str, Any]]] = {
    "approach": (approach, 9.0, {}),
    "sides": (sides, 5.0, {}),
    "heights": (heights, 5.0, {}),
    "dangers": (dangers, 7.0, {}),
    "blind": (blind, 8.0, {}),
    "states": (states, 7.0, {}),
    "continuous": (approach, 9.0, {"scheme": "continuous"}),
    "scan": (explore, 4.0, {"scheme": "scan"}),
    "quiet": (approach, 9.0, {"scheme": "quiet"}),
    "one_ear": (sides, 5.0, {"mono": True}),
}


def tell(story: Story, seconds: float, bank: SpeechBank, fields: dict[str, Any]) -> np.ndarray:
    audio, speech = AudioConfig(**fields), SpeechConfig()
    mixer, mapper = Mixer(audio, speech, bank), PulseMapper(audio, speech)
    sink = CollectSink(mixer)
    sink.start()
    for frame in range(round(seconds * FRAMES_HZ)):
        t = frame / FRAMES_HZ
        sink.advance(t)
        sink.post(mapper.update(story(t)))
    sink.advance(seconds)
    sink.close()
    return sink.samples


def all_earcons() -> np.ndarray:
    mixer = Mixer(AudioConfig(), SpeechConfig())
    sink = CollectSink(mixer)
    sink.start()
    for i, name in enumerate(EARCONS):
        sink.advance(i * 1.0)
        mixer.announce(name)
    sink.advance(len(EARCONS))
    sink.close()
    return sink.samples


def write_ogg(path: Path, samples: np.ndarray) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libopus", rate=RATE_HZ, layout="stereo")
        stream.bit_rate = 40_000
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.reshape(1, -1)), format="flt", layout="stereo"
        )
        frame.sample_rate = RATE_HZ
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)


def write_spectrogram(path: Path, samples: np.ndarray) -> None:
    """Left ear above, right ear below; 100 Hz to 8 kHz, logarithmic; 80 dB; 100 px a second."""
    hop, size, rows = RATE_HZ // 100, 4096, 120
    wanted = np.geomspace(8000, 100, rows)
    ears = []
    for ear in samples.T:
        padded = np.pad(ear, (size // 2, size))
        windows = np.lib.stride_tricks.sliding_window_view(padded, size)[: ear.size : hop]
        power = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1)) ** 2
        bins = np.fft.rfftfreq(size, 1 / RATE_HZ)
        level = 10 * np.log10(np.array([np.interp(wanted, bins, row) for row in power]).T + 1e-9)
        ears.append(np.clip((level + 40) / 80, 0, 1))
    line = np.ones((4, ears[0].shape[1]))
    picture = (255 * np.vstack([ears[0], line, ears[1]])).astype(np.uint8)
    colours = cv2.applyColorMap(picture // 32 * 32, cv2.COLORMAP_INFERNO)  # few steps: small files
    cv2.imwrite(str(path), colours, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=SOUNDS)
    parser.add_argument("names", nargs="*", help="of the sounds; without any, all")
    asked = parser.parse_args()
    render(asked.folder, asked.names)


def render(folder: Path, wanted: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with_words = SpeechBank(SpeechConfig(), RATE_HZ)
    if not with_words.prepare(60.0):
        print("espeak-ng is missing or slow: some phrases are not heard", file=sys.stderr)
    sounds: Iterator[tuple[str, np.ndarray]] = (
        (name, tell(story, seconds, with_words, fields))
        for name, (story, seconds, fields) in STORIES.items()
        if not wanted or name in wanted
    )
    earcons = [("earcons", all_earcons())] if not wanted or "earcons" in wanted else []
    for name, samples in [*sounds, *earcons]:
        write_ogg(folder / f"{name}.ogg", samples)
        write_spectrogram(folder / f"{name}.png", samples)
        left, right = 10 * np.log10(np.mean(samples.astype(float) ** 2, axis=0) + 1e-12)
        print(f"{name}: {len(samples) / RATE_HZ:.1f} s, left {left:.1f} dB, right {right:.1f} dB")
    with_words.close()
