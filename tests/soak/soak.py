"""Let the guide run for long over a looped clip at its own pace, and measure it.

    scripts/soak CLIP [--minutes 60] [--warm-up 5] [--out out/soak] [--set KEY=VALUE ...]

The real guide plays through PortAudio into a private PulseAudio null sink. Measured minute by
minute: frame-to-sound age (every one of them), resident memory, CPU share, gaps in the sound, and
what else kept the processors busy; and whatever a crash would print. Started as root or with
`nice`, guide and sound server run before other work.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from sonar.service.health import ask
from tests.soak.private_pulse import Server

PORT = 18737
EVERY_S = 5.0
NOT_JSON = ("ALSA lib", "underrun", "Expression ", "PaAlsa")  # what C libraries print


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clip")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=5.0, help="minutes left out of memory")
    parser.add_argument("--out", type=Path, default=Path("out/soak"))
    parser.add_argument("--cores", type=float, help="let it use no more CPU than this; needs root")
    parser.add_argument("--profile", default="headless")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sonar-soak-") as name:
        server = Server(Path(name), record=False)
        try:
            return soak(arguments, server)
        finally:
            server.close()


def soak(arguments: argparse.Namespace, server: Server) -> int:
    log_path, notes = arguments.out / "log.jsonl", arguments.out / "notes"
    notes.unlink(missing_ok=True)
    samples = []
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, str(Path(__file__).with_name("rehearsal.py")), arguments.clip),
                *("--profile", arguments.profile, "--notes", str(notes)),
                *(f"service.health_port={PORT}", *arguments.sets),
            ],
            env=server.env,
            stderr=log,
        )
        if arguments.cores is not None:
            throttle(process.pid, arguments.cores)
        start = time.monotonic()
        while time.monotonic() - start < 60 * arguments.minutes:
            time.sleep(EVERY_S)
            if process.poll() is not None:
                break
            found = ask(PORT) or {}
            now = time.monotonic()
            cpu_s = sum(psutil.Process(process.pid).cpu_times()[:2])
            samples.append({"s": now - start, "cpu_s": cpu_s, "busy_s": busy_s(), **found})
            if len(samples) % 12 == 0:
                print(json.dumps(minute(samples, notes, start)), file=sys.stderr, flush=True)
        died = process.poll()
        stopping = time.monotonic()
        if died is None:
            process.terminate()
            process.wait(10)
        stop_s = time.monotonic() - stopping
    (arguments.out / "samples.json").write_text(json.dumps(samples))
    return report(arguments, samples, start, died, process.returncode, stop_s)


def busy_s() -> float:
    """Seconds of CPU that everybody has used since the machine started."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def ages_ms(notes: Path) -> tuple[np.ndarray, np.ndarray]:
    """When each age was noted, on the monotonic clock, and the age."""
    lines = (line.split() for line in notes.read_text("utf-8").splitlines())
    pairs = [(float(words[1]), float(words[2])) for words in lines if words[0] == "age"]
    table = np.array(pairs).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def quantiles_ms(ages: np.ndarray) -> dict[str, float]:
    if ages.size == 0:
        return {}
    values = np.percentile(ages, [50, 95, 99, 100])
    names = ("age_ms", "age_p95_ms", "age_p99_ms", "age_max_ms")
    return {name: round(float(value), 1) for name, value in zip(names, values, strict=True)}


def minute(samples: list[dict], notes: Path, start: float) -> dict:
    """The last minute in one row; ``others_percent`` is of one core, by all other processes."""
    before, last = samples[-13] if len(samples) > 12 else samples[0], samples[-1]
    at, ages = ages_ms(notes)
    inside = (at > start + before["s"]) & (at <= start + last["s"])
    spent_s = max(last["s"] - before["s"], 1e-3)
    used_s = (last["cpu_s"] or 0.0) - (before["cpu_s"] or 0.0)
    return {
        "minute": round(last["s"] / 60),
        **quantiles_ms(ages[inside]),
        "ages": int(inside.sum()),
        "memory_mb": round(last.get("memory_mb", 0.0), 1),
        "fps": last.get("fps"),
        "cpu_percent": round(100 * used_s / spent_s, 1),
        "others_percent": round(100 * (last["busy_s"] - before["busy_s"] - used_s) / spent_s, 1),
        "xruns": last.get("xruns", 0) - before.get("xruns", 0),
        "sound_reopened": last.get("sound_reopened", 0) - before.get("sound_reopened", 0),
    }


def throttle(pid: int, cores: float) -> None:
    """Put a process into a control group that gets ``cores`` of CPU; raises OSError."""
    period_us = 100_000
    quota_us = round(cores * period_us)
    old = Path("/sys/fs/cgroup/cpu")  # version 1
    group = (old if old.is_dir() else Path("/sys/fs/cgroup")) / f"sonar-soak-{pid}"
    group.mkdir()
    if old.is_dir():
        (group / "cpu.cfs_period_us").write_text(str(period_us))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
    else:
        (group / "cpu.max").write_text(f"{quota_us} {period_us}")
    (group / "cgroup.procs").write_text(str(pid))


def report(arguments, samples, start, died, code, stop_s) -> int:
    notes = arguments.out / "notes"
    events, odd = [], []
    for line in (arguments.out / "log.jsonl").read_text("utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except ValueError:
            if not line.startswith(NOT_JSON):
                odd.append(line)
    steady = [one for one in samples if one["s"] >= 60 * arguments.warm_up and "memory_mb" in one]
    memory = np.array([one["memory_mb"] for one in steady])
    seconds = np.array([one["s"] for one in steady])
    growth = slope = None
    if memory.size >= 20:
        tenth = max(1, memory.size // 10)  # medians, so that one sample does not decide
        growth = round(float(np.median(memory[-tenth:]) - np.median(memory[:tenth])), 2)
        slope = round(3600 * float(np.polyfit(seconds, memory, 1)[0]), 2)
    rows = [minute(samples[:end], notes, start) for end in range(12, len(samples) + 1, 12)]
    ages = ages_ms(notes)[1]
    last = samples[-1] if samples else {}
    summary = {
        "minutes": round(last.get("s", 0.0) / 60, 1),
        "clip": Path(arguments.clip).name,
        "profile": arguments.profile,
        "sets": arguments.sets,
        "cores": arguments.cores,
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "warned": sorted({e["what"] for e in events if e["event"] == "governor"}),
        "memory_mb": None if memory.size == 0 else round(float(np.median(memory)), 1),
        "memory_growth_mb": growth,
        "slope_mb_per_hour": slope,
        **quantiles_ms(ages),
        "ages": int(ages.size),
        "minutes_with_p99_above_150_ms": sum(row.get("age_p99_ms", 0.0) > 150.0 for row in rows),
        **{key: last.get(key) for key in ("fps", "depth_ms")},
        "cpu_percent": round(100 * (last.get("cpu_s") or 0.0) / max(last.get("s", 1.0), 1.0), 1),
        **{key: last.get(key) for key in ("frames", "dropped", "xruns", "sound_reopened")},
        "states": {
            name: sum(e["event"] == "state" and e["name"] == name for e in events)
            for name in ("guiding", "degraded")
        },
        "errors_logged": sum(e["level"] == "error" for e in events),
        "lines_not_json": odd[:5],
        "died": died,
        "exit_code": code,
        "stop_s": round(stop_s, 2),
    }
    text = json.dumps(summary, indent=2)
    (arguments.out / "summary.json").write_text(text + "\n")
    (arguments.out / "minutes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(text)
    return 0 if died is None and code == 0 and not odd else 1
