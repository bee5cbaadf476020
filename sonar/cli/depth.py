"""``sonar depth``: images in, depth out, to look at and to compute with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sonar.cli.prepare import prepare
from sonar.cli.ui import common, emit_json, progress, say
from sonar.errors import OutputError

SUFFIXES = ("_depth.png", "_depth.npy", "_depth16.png", "_depth.json")


def depth(
    ctx: typer.Context,
    images: Annotated[list[str], typer.Argument(help="image files, or folders of images")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results")],
) -> None:
    """The depth of images: heat maps and numbers.

    Writes for each NAME_depth.png (heat map, bright = near), NAME_depth.npy (float32, as the
    network gave it) and NAME_depth16.png (16 bit, scale in NAME_depth.json)."""
    from sonar.app import open_engine
    from sonar.capture import image_paths, read_image
    from sonar.replay.folder import output_folder
    from sonar.types import Frame

    options = common(ctx)
    config = options.load()
    prepare(config)
    paths = [path for spec in images for path in image_paths(spec)]
    names = _names(paths)
    written: list[dict[str, Any]] = []
    with output_folder(out, [*images, *paths, *options.configs]) as folder:
        folder.check(f"{name}{suffix}" for name in names for suffix in SUFFIXES)
        engine = open_engine(config)
        try:
            with progress(options, "depth") as advance:
                for index, (path, name) in enumerate(zip(paths, names, strict=True)):
                    estimate = engine.estimate(Frame(read_image(path), index, float(index)))
                    folder.claim([f"{name}{suffix}" for suffix in SUFFIXES])
                    written.append(_write(out, name, estimate))
                    advance(index + 1, len(paths))
        finally:
            engine.close()
            if options.json:
                emit_json(written)
    if not options.json:
        say(f"{len(written)} depth map{'s' if len(written) != 1 else ''} in {out}.")


def _names(paths: Sequence[Path]) -> list[str]:
    """The name of each image's results: its stem, with a number where two share one."""
    names: list[str] = []
    taken: set[str] = set()
    for path in paths:
        name, number = path.stem, 1
        while name.casefold() in taken:  # some disks take upper and lower case for the same
            number += 1
            name = f"{path.stem}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _write(out: Path, stem: str, estimate: Any) -> dict[str, Any]:
    import cv2
    import numpy as np

    from sonar.replay.annotate import heat_map, nearness
    from sonar.replay.folder import write_json

    values = estimate.values
    near = nearness(estimate)
    low, high = (float(v) for v in np.percentile(near, (1, 99)))
    lowest, highest = float(values.min()), float(values.max())
    scaled = (values - lowest) * (65535.0 / max(highest - lowest, 1e-12))
    facts = {
        "name": stem,
        "kind": estimate.kind.value,
        "shape": list(values.shape),
        "png16_zero": lowest,
        "png16_full": highest,
        "heat_map_black": low,
        "heat_map_bright": high,
    }
    colored = cv2.cvtColor(heat_map(near, low, high), cv2.COLOR_RGB2BGR)
    try:
        np.save(out / f"{stem}_depth.npy", values)
        for name, array in (
            (f"{stem}_depth.png", colored),
            (f"{stem}_depth16.png", scaled.astype(np.uint16)),
        ):
            encoded = cv2.imencode(".png", array)[1]
            (out / name).write_bytes(encoded.tobytes())
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error
    write_json(out / f"{stem}_depth.json", facts)
    return facts
