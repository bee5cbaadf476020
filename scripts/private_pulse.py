"""A PulseAudio server of our own, with a null sink whose monitor is recorded."""

import os
import subprocess
import threading
import time
from pathlib import Path

import numpy as np

RATE_HZ = 8000  # of the recording


class Server:
    """A PulseAudio server of our own; its sink's monitor as samples with times."""

    def __init__(self, folder: Path, record: bool = True) -> None:
        run = folder / "run"
        run.mkdir(mode=0o700)
        asound = folder / "asoundrc"
        asound.write_text(
            "</usr/share/alsa/alsa.conf>\n"
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(run), "ALSA_CONFIG_PATH": str(asound)}
        self.env.pop("PULSE_SERVER", None)
        self.process = subprocess.Popen(
            [
                "pulseaudio",
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--log-level=error",
                "--load=module-native-protocol-unix",
                "--load=module-null-sink sink_name=ears rate=48000 channels=2",
            ],
            env=self.env,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            found = subprocess.run(
                ["pactl", "list", "short", "sinks"], env=self.env, capture_output=True, text=True
            )
            if "ears" in found.stdout:
                break
            time.sleep(0.05)
        else:
            raise SystemExit("pulseaudio did not start")
        self.recorder: subprocess.Popen[bytes] | None = None
        if not record:
            return
        self.recorder = subprocess.Popen(
            [
                "parec",
                "-d",
                "ears.monitor",
                f"--rate={RATE_HZ}",
                "--channels=1",
                "--format=s16le",
                "--raw",
                "--latency-msec=10",
            ],
            env=self.env,
            stdout=subprocess.PIPE,
        )
        self.chunks: list[bytes] = []
        self.arrivals: list[tuple[int, float]] = []  # samples so far, when they had come
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        count = 0
        assert self.recorder is not None and self.recorder.stdout is not None
        while data := os.read(self.recorder.stdout.fileno(), 65536):
            self.chunks.append(data)
            count += len(data) // 2
            self.arrivals.append((count, time.monotonic()))

    def heard(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples in [-1, 1], and when each was heard at the latest."""
        samples = np.frombuffer(b"".join(self.chunks), np.int16).astype(np.float32) / 32768
        counts, times = (np.array(column) for column in zip(*self.arrivals, strict=True))
        return samples, np.interp(np.arange(samples.size), counts, times)

    def close(self) -> None:
        for process in (self.recorder, self.process):
            if process is not None:
                process.terminate()
                process.wait(5)
