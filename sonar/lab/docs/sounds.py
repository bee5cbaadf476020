"""Render the sounds that docs/sound.md explains: docs/sound/*.ogg and their spectrograms.

    scripts/render_sounds [FOLDER [NAME ...]]

Phrases are heard where espeak-ng is installed; tones are the same without it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import av
import matplotlib.pyplot as plt
import numpy as np

from sonar.audio.cues import PulseMapper
from sonar.audio.speech.bank import SpeechBank
from sonar.audio.synthesis import EARCONS, Mixer
from sonar.config import AudioConfig, SpeechConfig
from sonar.testing.audio import CollectSink
from sonar.types import SIDES, Band, Column, Height, Reason, Scene, Side, State, ZoneReading

SOUNDS = Path(__file__).resolve().parents[3] / "docs" / "sound"
RATE_HZ, FRAMES_HZ = 48000, 30
Steps = list[tuple[float, dict[str, Any]]]  # until that second, what is there


def wall(distance_m: float, height: Height = Height.BODY) -> dict[str, Any]:
    """A reading of a zone."""
    edges = [(0.6, Band.STOP), (1.2, Band.CLOSE), (2.5, Band.NEAR), (4.0, Band.FAR)]
    band = next((band for edge, band in edges if distance_m <= edge), Band.CLEAR)
    proximity = min(1.0, 0.6 / max(distance_m, 0.6))
    return {"band": band, "proximity": proximity, "distance_m": distance_m, "height": height}


# A wall straight ahead, from 4.5 m to touching distance at 0.6 m/s, then a way out.
APPROACH: Steps = [(n / 30, {"center": wall(4.52 - 0.02 * n)}) for n in range(1, 226)]
APPROACH += [(9.0, {})]
SIDEWAYS: Steps = [(1.5 * n, {side.value: wall(1.0)}) for n, side in enumerate(SIDES, 1)]
SIDEWAYS += [(5.0, {})]
HEIGHTS: Steps = [(1.5 * n, {"center": wall(1.0, height)}) for n, height in enumerate(Height, 1)]
DANGERS: Steps = [(0.5, {}), (2.5, {"right": wall(0.5)}), (3.5, {})]
DANGERS += [(6.0, {"drop_off": True, "drop_off_distance_m": 1.6}), (7.0, {})]
NO_READING = {"band": Band.UNKNOWN, "proximity": 0.0}
BLIND: Steps = [(0.5, {}), (4.5, {"unknown": Reason.COVERED})]
BLIND += [(7.0, {"left": wall(1.0), "center": NO_READING}), (8.0, {})]
STATES: Steps = [(3.0, {"state": State.LOADING}), (5.0, {"state": State.READY})]
STATES += [(7.0, {"state": State.STOPPED})]
# A table on the left, a sign that hangs ahead, a post on the right.
FREE = Column(0.0, 0.0)
STRIPS = [*[FREE] * 2, *[Column(0.4, 0.3)] * 7, *[FREE] * 5, *[Column(0.25, 0.75)] * 5]
STRIPS += [*[FREE] * 7, *[Column(0.5, 0.5)] * 2, *[FREE] * 4]
STORIES: dict[str, tuple[Steps, dict[str, Any]]] = {
    "approach": (APPROACH, {}),
    "sides": (SIDEWAYS, {}),
    "heights": (HEIGHTS, {}),
    "dangers": (DANGERS, {}),
    "blind": (BLIND, {}),
    "states": (STATES, {}),
    "continuous": (APPROACH, {"scheme": "continuous"}),
    "scan": ([(4.0, {"profile": tuple(STRIPS)})], {"scheme": "scan"}),
    "quiet": (APPROACH, {"scheme": "quiet"}),
    "one_ear": (SIDEWAYS, {"mono": True}),
}


def scene_at(steps: Steps, t: float) -> Scene:
    what = next(what for until_s, what in steps if t < until_s)
    if "unknown" in what:
        return Scene.unknown(round(t * 1000), t, what["unknown"])
    fields: dict[str, Any] = {side.value: ZoneReading(side, Band.CLEAR, 0.0) for side in SIDES}
    for name, value in what.items():
        fields[name] = ZoneReading(Side(name), **value) if isinstance(value, dict) else value
    return Scene(round(t * 1000), t, **fields)


def render_story(steps: Steps, fields: dict[str, Any], bank: SpeechBank) -> np.ndarray:
    """What is heard, float32 (n, 2)."""
    audio, speech, seconds = AudioConfig(**fields), SpeechConfig(), steps[-1][0]
    mixer, mapper = Mixer(audio, speech, bank), PulseMapper(audio, speech)
    sink = CollectSink(mixer)
    sink.start()
    for t in np.arange(round(seconds * FRAMES_HZ)) / FRAMES_HZ:
        sink.advance(t)
        sink.post(mapper.update(scene_at(steps, t)))
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
    """Left ear above, right ear below; 100 Hz to 8 kHz, logarithmic; 80 dB."""
    figure, axes = plt.subplots(2, sharex=True, figsize=(8, 3), layout="constrained")
    for axis, ear, name in zip(axes, samples.T, ("left", "right"), strict=True):
        ear = ear + 1e-7 * np.random.default_rng(0).standard_normal(len(ear))  # silence has no dB
        axis.specgram(ear, 4096, RATE_HZ, noverlap=3616, cmap="inferno", vmin=-150, vmax=-70)
        axis.set(yscale="log", ylim=(100, 8000), ylabel=f"{name}, Hz")
    axes[1].set_xlabel("seconds")
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    """What scripts/render_sounds does."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=SOUNDS)
    parser.add_argument("names", nargs="*", help="of the sounds; without any, all")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    bank = SpeechBank(SpeechConfig(), RATE_HZ)
    if not bank.prepare(60.0):
        print("espeak-ng is missing or slow: some phrases are not heard", file=sys.stderr)
    for name in asked.names or [*STORIES, "earcons"]:
        samples = all_earcons() if name == "earcons" else render_story(*STORIES[name], bank)
        write_ogg(asked.folder / f"{name}.ogg", samples)
        write_spectrogram(asked.folder / f"{name}.png", samples)
        print(f"{name}: {len(samples) / RATE_HZ:.1f} s")
    bank.close()
