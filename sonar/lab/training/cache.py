"""Decoded samples as flat memory-mapped files, so that no step decodes a JPEG again.

One folder per source: ``images.bin`` (uint8), ``inverse.bin`` (float16), ``labels.bin`` (uint8),
one sample behind the other, and ``index.json``, written last: a folder without it is made again.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.errors import SourceError
from sonar.lab.training.sample import Sample

INDEX = "index.json"
_FILES = {"images": np.uint8, "inverse": np.float16, "labels": np.uint8}


def is_built(folder: Path) -> bool:
    """Whether the cache in ``folder`` is complete."""
    return (folder / INDEX).is_file()


def build(folder: Path, samples: Iterable[Sample]) -> int:
    """Write ``samples`` to ``folder``; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    pixels = 0
    with (
        (folder / "images.bin").open("wb") as images,
        (folder / "inverse.bin").open("wb") as inverse,
        (folder / "labels.bin").open("wb") as labels,
    ):
        for sample in samples:
            images.write(np.ascontiguousarray(sample.image).tobytes())
            inverse.write(sample.inverse.astype(np.float16).tobytes())
            labels.write(sample.labels.tobytes())
            rows, columns = sample.labels.shape
            entries.append(
                {
                    "name": sample.name,
                    "source": sample.source,
                    "kind": sample.kind,
                    "licence": sample.licence,
                    "focal": sample.focal,
                    "hw": [rows, columns],
                    "at": pixels,
                }
            )
            pixels += rows * columns
    part = folder / (INDEX + ".part")
    part.write_text(json.dumps(entries), encoding="utf-8")
    part.replace(folder / INDEX)
    return len(entries)


def load(folder: Path) -> list[Sample]:
    """The samples, their arrays read from disk when they are used.

    Raises SourceError for a damaged cache.
    """
    try:
        entries: list[dict[str, Any]] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if not entries:
            return []
        flat: dict[str, NDArray[Any]] = {
            name: np.memmap(folder / f"{name}.bin", dtype, "r") for name, dtype in _FILES.items()
        }
        return [_sample(entry, flat) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{folder} is not a cache that can be read: {error}.") from error


def _sample(entry: dict[str, Any], flat: dict[str, NDArray[Any]]) -> Sample:
    (rows, columns), at = entry["hw"], entry["at"]
    part = slice(at, at + rows * columns)
    return Sample(
        entry["name"],
        entry["source"],
        entry["kind"],
        entry["licence"],
        flat["images"][3 * part.start : 3 * part.stop].reshape(rows, columns, 3),
        flat["inverse"][part].reshape(rows, columns),
        flat["labels"][part].reshape(rows, columns),
        entry["focal"],
    )
