"""Do the zones show the same bands with int8 as with float32? Counted frame by frame.

    scripts/compare_bands CLIP... [--model builtin] [--backend onnx] [--least 0.97]

Each clip goes through two engines (float32 in ONNX Runtime, int8 in --backend), each with zones
of its own. A frame counts as equal when all three zones show the same band. Ends with exit code
1 when a clip has less than --least of them.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from sonar.app import make_zones
from sonar.capture import VideoFileSource
from sonar.config import EngineConfig, SonarConfig
from sonar.depth import open_engine
from sonar.depth.engine import NetworkEngine
from sonar.depth.models import Store
from sonar.depth.practice import deviation
from sonar.errors import SonarError

READ_LIMIT_S = 5.0


def compare(
    clip: Path, engines: list[NetworkEngine], config: SonarConfig
) -> tuple[int, Counter[str], list[float]]:
    """Frames, how many of them differ (in all, and by "zone: float32 / int8"), and deviations."""
    source = VideoFileSource(clip)
    source.open()
    analysers = [make_zones(config, config.mount) for _ in engines]
    frames, apart = 0, list[float]()
    differ: Counter[str] = Counter()
    while (frame := source.read(READ_LIMIT_S)) is not None:
        frames += 1
        depths = [engine.estimate(frame) for engine in engines]
        apart.append(deviation(depths[0].values, depths[1].values))
        one, other = (
            zones.update(depth, frame) for zones, depth in zip(analysers, depths, strict=True)
        )
        unlike = [
            f"{side}: {getattr(one, side).band.name} / {getattr(other, side).band.name}"
            for side in ("left", "center", "right")
            if getattr(one, side).band != getattr(other, side).band
        ]
        differ.update(unlike)
        differ["frames"] += bool(unlike)
    source.close()
    return frames, differ, apart


def main() -> int:
    """What scripts/compare_bands does; 0, or 1 where too many frames differ, 3 for bad input."""
    try:
        return _main()
    except SonarError as error:
        print(f"compare_bands: {error}", file=sys.stderr)
        return error.exit_code


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--backend", default="onnx")
    parser.add_argument("--least", type=float, default=0.97)
    asked = parser.parse_args()
    store, config = Store(), SonarConfig()
    engines = [
        open_engine(EngineConfig(backend=backend, precision=precision), store.resolve(asked.model))
        for backend, precision in (("onnx", "fp32"), (asked.backend, "int8"))
    ]
    print(" against ".join(engine.label for engine in engines))
    missed = 0
    for clip in asked.clips:
        frames, differ, apart = compare(clip, engines, config)
        if not frames:
            print(f"{clip.name}: no frames")
            missed += 1
            continue
        count = differ.pop("frames")
        missed += 1 - count / frames < asked.least
        print(
            f"{clip.name}: {frames} frames, bands equal in {1 - count / frames:.1%}, "
            f"depth deviates {sum(apart) / frames:.2%}"
        )
        for what, times in differ.most_common(3):
            print(f"    {what} in {times}")
    print(f"{missed} of {len(asked.clips)} clips below {asked.least:.0%}")
    return int(missed > 0)
