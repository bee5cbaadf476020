"""Zones against exact synthetic depth: distance, height class, drop-offs, time to contact.

Scenes are drawn with exact geometry; the depth map handed to zones is ``scale / Z + shift`` with
an unknown scale and shift per walk and noise per frame, the mount is wrong by a draw of
``--pitch-sigma`` degrees (pitch and roll) and 3 cm. Run as a script with ``PYTHONPATH=.`` it prints
one JSON object; ``--short`` runs a few walks only.

A box's distance is that of its near face, where one would touch it, also when that has left the
picture below; ``seen`` counts the distance to what is seen of it instead.
"""

import argparse
import json
import time
from dataclasses import dataclass, field

import numpy as np

from sonar.capture.synthetic import Camera, SyntheticScene, SyntheticSource, scenario
from sonar.config import MountConfig, ZonesConfig
from sonar.testing.exact import ExactDepth
from sonar.testing.truth import truth_at
from sonar.zones import DepthZones

OBSTACLES = ("box", "left_box", "right_box", "wall", "head_bar", "person_approaching", "turning")
BOXES = OBSTACLES[:3]
DROPS = ("stairs_down", "kerb", "platform")
FREE = ("corridor", "empty_hall", "wall_beside")
FALLBACK = ("person_leaving",)


@dataclass
class Tally:
    """Everything counted, per kind of walk."""

    errors: list[float] = field(default_factory=list)
    seen_errors: list[float] = field(default_factory=list)
    by_scene: dict[str, list[float]] = field(default_factory=dict)
    height_right: int = 0
    height_all: int = 0
    missed: int = 0
    ttc_errors: list[float] = field(default_factory=list)
    ttc_missing: int = 0
    ttc_false: int = 0
    drops: dict[str, list[bool]] = field(default_factory=dict)
    drop_false: int = 0
    frames: int = 0
    flat_frames: int = 0
    alarms: int = 0
    free_zone_frames: int = 0
    free_unknown: int = 0
    ms: list[float] = field(default_factory=list)


def walk(
    name: str,
    rng: np.random.Generator,
    tally: Tally,
    *,
    pitch_sigma: float,
    noise: float,
    walkable: bool,
    sway: float,
    height_sigma: float = 0.03,
    rate_hz: float = 15.0,
) -> None:
    camera = Camera(
        height_m=rng.uniform(1.15, 1.65),
        pitch_deg=rng.uniform(5, 25),
        roll_deg=rng.uniform(-4, 4),
        yaw_deg=rng.uniform(-2, 2) if name in FREE else 0.0,
    )
    kwargs = {"distance_m": rng.uniform(4.0, 6.0)} if name in (*OBSTACLES[:5], *DROPS) else {}
    scene: SyntheticScene = scenario(
        name, camera, sway_deg=sway * rng.uniform(0.5, 1), bob_m=0.01 if sway else 0.0, **kwargs
    )
    source = SyntheticSource(scene, rate_hz=rate_hz, frames=int(rate_hz * 5.5), size=(192, 256))
    engine = ExactDepth(
        source,
        scale=float(np.exp(rng.uniform(-2, 4))),
        shift=rng.uniform(-3, 3),
        noise=noise,
        walkable=walkable,
        seed=int(rng.integers(1 << 30)),
    )
    mount = MountConfig(
        height_m=camera.height_m + rng.normal(0, height_sigma),
        pitch_deg=camera.pitch_deg + rng.normal(0, pitch_sigma),
        roll_deg=camera.roll_deg + rng.normal(0, min(pitch_sigma, 2.0)),
        hfov_deg=camera.hfov_deg,
        angle_sigma_deg=max(pitch_sigma, 0.5),
    )
    zones_config = ZonesConfig()
    zones = DepthZones(zones_config, mount)
    source.open()
    found_at = None
    while (frame := source.read()) is not None:
        depth = engine.estimate(frame)
        start = time.perf_counter()
        scene_now = zones.update(depth, frame)
        tally.ms.append((time.perf_counter() - start) * 1e3)
        truth = truth_at(source, frame.id)
        if frame.t < 0.5:
            continue
        tally.frames += 1
        edge = truth.drop_distance_m
        if scene_now.drop_off:
            if edge is None or edge > 7.0 or name in FREE or name in OBSTACLES:
                tally.drop_false += 1
            elif found_at is None:
                found_at = edge
        if name not in DROPS:
            tally.flat_frames += 1
        for reading, real in zip(scene_now.zones, truth.zones, strict=True):
            if name in FREE:
                tally.free_zone_frames += 1
                if reading.band.value in ("near", "close", "stop") and (
                    real.distance_m is None or real.distance_m > 3.0
                ):
                    tally.alarms += 1
                tally.free_unknown += reading.band.value == "unknown"
                continue
            if name in DROPS or real.distance_m is None or not 0.5 <= real.distance_m <= 5.0:
                continue
            if reading.distance_m is None:
                tally.missed += 1
                continue
            touch_m = real.distance_m
            if name in BOXES and real.name == scene.boxes[-1].name:
                touch_m = min(touch_m, scene.boxes[-1].low[1] - scene.camera_at(frame.t).y_m)
            error = abs(reading.distance_m - touch_m) / touch_m
            tally.errors.append(error)
            seen = abs(reading.distance_m - real.distance_m) / real.distance_m
            tally.seen_errors.append(seen)
            tally.by_scene.setdefault(name, []).append(error)
            if real.height is not None:
                tally.height_all += 1
                tally.height_right += reading.height is real.height
            if name in ("box", "wall", "head_bar", "person_approaching") and frame.t > 1.2:
                if real.ttc_s is None or real.side.value != "center":
                    continue
                if reading.ttc_s is None:
                    tally.ttc_missing += 1
                else:
                    tally.ttc_errors.append(abs(reading.ttc_s - real.ttc_s) / real.ttc_s)
            if name == "person_leaving" and real.name == "person":
                tally.ttc_false += reading.ttc_s is not None
    if name in DROPS:
        tally.drops.setdefault(name, []).append(found_at is not None and found_at >= 1.5)


def table(tally: Tally) -> dict[str, object]:
    e, ttc = np.array(tally.errors), np.array(tally.ttc_errors)

    def q(a: np.ndarray, p: float) -> float | None:
        return round(float(np.quantile(a, p)), 4) if a.size else None

    found = [x for v in tally.drops.values() for x in v]
    return {
        "distance": {
            "n": e.size,
            "median": q(e, 0.5),
            "p95": q(e, 0.95),
            "seen": (q(np.array(tally.seen_errors), 0.5), q(np.array(tally.seen_errors), 0.95)),
            "missed": tally.missed,
            "by_scene": {
                k: (q(np.array(v), 0.5), q(np.array(v), 0.95)) for k, v in tally.by_scene.items()
            },
        },
        "height_right": round(tally.height_right / max(1, tally.height_all), 4),
        "drop_off": {
            "found_at_1.5m": {k: round(float(np.mean(v)), 3) for k, v in tally.drops.items()},
            "all": round(float(np.mean(found)), 3) if found else None,
            "false_frames": tally.drop_false,
            "flat_frames": tally.flat_frames,
        },
        "ttc": {
            "n": ttc.size,
            "median": q(ttc, 0.5),
            "missing": tally.ttc_missing,
            "false_when_leaving": tally.ttc_false,
        },
        "free": {
            "zone_frames": tally.free_zone_frames,
            "false_near": tally.alarms,
            "unknown": tally.free_unknown,
        },
        "ms_median": round(float(np.median(tally.ms)), 3),
    }


def run(walks: int, seed: int, **options: object) -> dict[str, object]:
    """All scenes, ``walks`` draws each."""
    tally = Tally()
    for k in range(walks):
        for name in (*OBSTACLES, *DROPS, *FREE, *FALLBACK):
            rng = np.random.default_rng((seed, k, sum(map(ord, name))))
            walk(name, rng, tally, **options)  # type: ignore[arg-type]
    return table(tally)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walks", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pitch-sigma", type=float, default=1.0)
    parser.add_argument("--noise", type=float, default=0.03)
    parser.add_argument("--sway", type=float, default=1.0)
    parser.add_argument("--no-walkable", action="store_true")
    parser.add_argument("--short", action="store_true")
    a = parser.parse_args()
    print(
        json.dumps(
            run(
                1 if a.short else a.walks,
                a.seed,
                pitch_sigma=a.pitch_sigma,
                noise=a.noise,
                walkable=not a.no_walkable,
                sway=a.sway,
            ),
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
