"""The samples of a run: every source is read once into a cache, then split and filtered.

A cache folder per source holds decoded samples as flat memory-mapped files, so that no step decodes
a JPEG again: ``images.bin`` (uint8), ``inverse.bin`` (float16), ``labels.bin`` (uint8), one sample
behind the other, and ``index.json``, written last: a folder without it is made again.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sonar.errors import ModelError, SourceError
from sonar.lab.evaluate.data import find_datasets, holds_places, pack_name
from sonar.lab.evaluate.places import Split, split_of
from sonar.lab.training import sources
from sonar.lab.training.sample import Sample, commercial

INDEX = "index.json"
_FILES: dict[str, DTypeLike] = {"images": np.uint8, "inverse": np.float16, "labels": np.uint8}

Licence = Literal["any", "commercial"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where the sources lie.

    Attributes:
        cache: folder of the decoded samples; filled as needed.
        rendered: folders of rendered packs. measured: RGB-D folders. photos: packs.
        mujoco: folder that ``render`` filled.
    """

    cache: Path
    rendered: Sequence[Path] = ()
    measured: Sequence[Path] = ()
    photos: Sequence[Path] = ()
    mujoco: Path | None = None

    def samples(
        self,
        split: Split,
        licence: Licence = "any",
        progress: Callable[[str], None] = lambda text: None,
    ) -> list[Sample]:
        """The samples of one split.

        ``commercial`` leaves out every source whose stated license does not allow commercial use.

        Raises:
            SourceError: a source that cannot be read. ModelError: nothing is left.
        """
        found: list[Sample] = []
        for name, read in self._readers(split):
            folder = self.cache / name
            if not (folder / INDEX).is_file():
                count = build_cache(folder, read())
                progress(f"cached {name}: {count} samples")
            found += load_cache(folder)
        found = [s for s in found if licence == "any" or commercial(s.licence)]
        if not found:
            raise ModelError(f"There is no sample for the split {split!r} in these sources.")
        return found

    def _readers(self, split: Split) -> Iterator[tuple[str, Callable[[], Iterable[Sample]]]]:
        for dataset in find_datasets(self.rendered) if self.rendered else ():
            if split_of(dataset.name) == split:
                yield dataset.name, partial(sources.read_rendered, dataset)
        if self.measured:
            for dataset in find_datasets(self.measured):
                if split_of(dataset.name) == split:
                    yield f"rgbd_{dataset.name}", partial(sources.read_measured, dataset)
        if split == "train":
            for folder in self.photos:
                if not (packs := holds_places(folder)):
                    raise SourceError(f"{folder} holds no .tar or .tar.gz pack.")
                for path in packs:
                    yield f"photos_{pack_name(path)}", partial(sources.read_photos, path)
            if self.mujoco is not None:
                yield f"mujoco_{self.mujoco.name}", partial(sources.read_mujoco, self.mujoco)


def build_cache(folder: Path, samples: Iterable[Sample]) -> int:
    """Write ``samples`` to ``folder``; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    pixels = 0
    with ExitStack() as stack:
        files = {n: stack.enter_context((folder / f"{n}.bin").open("wb")) for n in _FILES}
        for sample in samples:
            arrays = (sample.image, sample.inverse, sample.labels)
            for (name, dtype), array in zip(_FILES.items(), arrays, strict=True):
                files[name].write(np.ascontiguousarray(array, dtype).tobytes())
            entry = {n: getattr(sample, n) for n in ("name", "source", "kind", "licence", "focal")}
            entries.append({**entry, "hw": list(sample.labels.shape), "at": pixels})
            pixels += sample.labels.size
    part = folder / (INDEX + ".part")
    part.write_text(json.dumps(entries), encoding="utf-8")
    part.replace(folder / INDEX)
    return len(entries)


def load_cache(folder: Path) -> list[Sample]:
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
