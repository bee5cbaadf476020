"""``sonar depth``: pictures in, depth out, to look at and to compute with."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sonar.cli.prepare import prepare
from sonar.cli.ui import common, emit_json, progress, say
from sonar.errors import OutputError


def depth(
    ctx: typer.Context,
    images: Annotated[list[str], typer.Argument(help="image files, or folders of images")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results")],
) -> None:
    """The depth of pictures: heat maps and numbers.

    Writes for each NAME_depth.png (heat map, bright = near), NAME_depth.npy (float32, as the
    network gave it) and NAME_depth16.png (16 bit, scale in NAME_depth.json)."""
    from sonar.app import open_engine
    from sonar.capture import image_paths, read_image
    from sonar.replay.writer import prepare_folder
    from sonar.types import Frame

    options = common(ctx)
    config = options.load()
    prepare(config)
    paths = [path for spec in images for path in image_paths(spec)]
    prepare_folder(out)
    engine = open_engine(config)
    written: list[dict[str, Any]] = []
    try:
        with progress(options, "depth") as advance:
            for index, path in enumerate(paths):
                estimate = engine.estimate(Frame(read_image(path), index, float(index)))
                name = _unused(path.stem, {facts["name"] for facts in written})
                written.append(_write(out, name, estimate))
                advance(index + 1, len(paths))
    finally:
        engine.close()
        if options.json:
            emit_json(written)
    if not options.json:
        say(f"{len(written)} depth map{'s' if len(written) != 1 else ''} in {out}.")


def _unused(stem: str, taken: set[str]) -> str:
    """``stem``, or with a number where two pictures share a name."""
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def _write(out: Path, stem: str, estimate: Any) -> dict[str, Any]:
    import cv2
    import numpy as np

    from sonar.replay.annotate import heat_map, nearness

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
    picture = cv2.cvtColor(heat_map(near, low, high), cv2.COLOR_RGB2BGR)
    try:
        np.save(out / f"{stem}_depth.npy", values)
        for name, array in (
            (f"{stem}_depth.png", picture),
            (f"{stem}_depth16.png", scaled.astype(np.uint16)),
        ):
            encoded = cv2.imencode(".png", array)[1]
            (out / name).write_bytes(encoded.tobytes())
        (out / f"{stem}_depth.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error
    return facts
