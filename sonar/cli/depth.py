"""``sonar depth``: images in, depth out, to look at and to compute with."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonar.cli.ui import Out, options

if TYPE_CHECKING:
    from sonar.types import DepthMap

SUFFIXES = ("_depth.png", "_depth.npy", "_depth16.png", "_depth.json")


def depth(
    images: Annotated[list[str], typer.Argument(help="image files, or folders of images")],
    out: Out,
) -> None:
    """The depth of images: heat maps and numbers.

    For each NAME_depth.png (heat map, bright = near), NAME_depth.npy (float32, as the network gave
    it) and NAME_depth16.png (16 bit, scale in NAME_depth.json)."""
    from sonar.app import open_engine
    from sonar.capture import image_paths, read_image
    from sonar.replay.batch import plan
    from sonar.replay.folder import output_folder
    from sonar.types import Frame

    config = options.ready()
    paths = [path for spec in images for path in image_paths(spec)]
    names = list(plan([str(path) for path in paths]))
    written: list[dict[str, Any]] = []
    with output_folder(out, [*images, *paths, *options.configs]) as folder:
        folder.check(f"{name}{suffix}" for name in names for suffix in SUFFIXES)
        advance = options.progress("depth")
        try:
            with closing(open_engine(config)) as engine:
                for index, (path, name) in enumerate(zip(paths, names, strict=True)):
                    estimate = engine.estimate(Frame(read_image(path), index, float(index)))
                    folder.claim([f"{name}{suffix}" for suffix in SUFFIXES])
                    written.append(_write(out, name, estimate))
                    advance(index + 1, len(paths))
        finally:
            if written:  # also where a later image could not be read
                many = "" if len(written) == 1 else "s"
                options.answer(written, [f"{len(written)} depth map{many} in {out}."])


def _write(out: Path, stem: str, estimate: "DepthMap") -> dict[str, Any]:
    """Write the files of one image; returns what NAME_depth.json holds."""
    import cv2
    import numpy as np

    from sonar.files import json_text, writing
    from sonar.replay.annotate import heat_map, nearness
    from sonar.replay.folder import write_whole

    values, near = estimate.values, nearness(estimate)
    black, bright = (float(v) for v in np.percentile(near, (1, 99)))
    lowest, highest = float(values.min()), float(values.max())
    scaled = (values - lowest) * (65535.0 / max(highest - lowest, 1e-12))
    colors = cv2.cvtColor(heat_map(near, black, bright), cv2.COLOR_RGB2BGR)
    with writing(out):
        np.save(out / f"{stem}_depth.npy", values)
        for suffix, array in (("_depth.png", colors), ("_depth16.png", scaled.astype(np.uint16))):
            (out / f"{stem}{suffix}").write_bytes(cv2.imencode(".png", array)[1].tobytes())
    facts = {
        "name": stem,
        "kind": estimate.kind.value,
        "shape": list(values.shape),
        "png16_zero": lowest,
        "png16_full": highest,
        "heat_map_black": black,
        "heat_map_bright": bright,
    }
    write_whole(out / f"{stem}_depth.json", json_text(facts))
    return facts
