"""Hear a recording by a sound of your own: a low hum that rises as the way gets shorter.

python examples/my_sound.py walk.mp4 out.wav
"""

import argparse
import wave
from pathlib import Path

import numpy as np

import sonar

RATE_HZ = 48_000
PAN = {sonar.Side.LEFT: -0.8, sonar.Side.CENTER: 0.0, sonar.Side.RIGHT: 0.8}


class Hum:
    """A tone for each scene, whose phase goes on from one to the next: no clicks."""

    def __init__(self) -> None:
        self._phase, self._ears = 0.0, np.zeros(2)  # and the gains of both ears

    def samples(self, scene: sonar.Scene, seconds: float) -> np.ndarray:
        """float32 (n, 2): louder, higher and more to the side the nearer the nearest zone is."""
        zone = max(scene.zones, key=lambda zone: zone.proximity)
        unknown = all(zone.band is sonar.Band.UNKNOWN for zone in scene.zones)
        pitch_hz = 60.0 if unknown else 120.0 * 2.0 ** (2.0 * zone.proximity)
        gain = 0.1 if unknown else 0.3 * zone.proximity  # what is not seen is not silent
        n = round(seconds * RATE_HZ)
        phase = self._phase + 2.0 * np.pi * pitch_hz * np.arange(1, n + 1) / RATE_HZ
        angle = (PAN[zone.side] + 1.0) * np.pi / 4.0  # constant power
        ears = gain * np.array([np.cos(angle), np.sin(angle)])
        samples = np.sin(phase)[:, None] * np.linspace(self._ears, ears, n)
        self._phase, self._ears = float(phase[-1] % (2.0 * np.pi)), ears
        return samples.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording")
    parser.add_argument("out", help="a .wav file")
    asked = parser.parse_args()

    if Path(asked.out).resolve() == Path(asked.recording).resolve():
        parser.error(f"{asked.out} is the recording; name another file")
    hum, blocks = Hum(), []
    with sonar.open(asked.recording) as run:
        shown_s = 1.0 / (run.source.rate_hz or 25.0)
        for step in run:
            blocks.append(hum.samples(step.scene, step.frame.duration_s or shown_s))
    with wave.open(asked.out, "wb") as file:
        file.setparams((2, 2, RATE_HZ, 0, "NONE", "not compressed"))
        file.writeframes((np.concatenate(blocks) * 32767.0).astype("<i2").tobytes())
    print(f"{asked.out}: {len(blocks)} frames")


if __name__ == "__main__":
    main()
