"""Log the zones of a camera, a stream or a recording to a CSV file; Ctrl-C ends.

python examples/log_zones.py 0 zones.csv --height 1.4 --seconds 60
"""

import argparse
import csv
from contextlib import suppress
from pathlib import Path

import sonar

HEADER = ("t", "state", "reason", "side", "band", "distance_m", "ttc_s", "height")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="camera number, stream address, video or images")
    parser.add_argument("out", help="a .csv file")
    parser.add_argument("--height", type=float, help="of the camera above the ground, in meters")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so long")
    asked = parser.parse_args()

    out, mount, rows = Path(asked.out), sonar.Mount(height_m=asked.height), 0
    if out.resolve() == Path(asked.source).resolve():
        parser.error(f"{out} is the recording; name another file")
    with (
        out.open("w", newline="", encoding="utf-8") as file,
        suppress(KeyboardInterrupt),
        sonar.open(asked.source, mount=mount) as run,
    ):
        table = csv.writer(file)
        table.writerow(HEADER)
        first_t = None
        for step in run:
            scene = step.scene
            first_t = scene.t if first_t is None else first_t
            if scene.t - first_t > asked.seconds:
                break
            for zone in scene.zones:
                known = [zone.band, zone.distance_m, zone.ttc_s, zone.height]
                table.writerow([round(scene.t, 3), scene.state, scene.reason, zone.side, *known])
                rows += 1
    print(f"{asked.out}: {rows} rows")


if __name__ == "__main__":
    main()
