"""The samples of a run: every source read once into the cache, then split and filtered."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from sonar.errors import ModelError
from sonar.lab.evaluate.data import find_datasets
from sonar.lab.training import cache, sources
from sonar.lab.training.sample import Sample, commercial

Split = Literal["train", "validation", "held-out"]
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
        progress: Callable[[str], None] | None = None,
    ) -> list[Sample]:
        """The samples of one split.

        ``commercial`` leaves out every source whose stated licence does not allow commercial use.

        Raises:
            SourceError: a source that cannot be read. ModelError: nothing is left.
        """
        found: list[Sample] = []
        for name, read in self._readers(split):
            folder = self.cache / name
            if not cache.is_built(folder):
                count = cache.build(folder, read())
                if progress is not None:
                    progress(f"cached {name}: {count} samples")
            found += cache.load(folder)
        found = [s for s in found if licence == "any" or commercial(s.licence)]
        if not found:
            raise ModelError(f"There is no sample for the split {split!r} in these sources.")
        return found

    def _readers(self, split: Split) -> Iterator[tuple[str, Callable[[], Iterable[Sample]]]]:
        for path in (pack for folder in self.rendered for pack in sources.find_packs(folder)):
            if split_of(sources.pack_name(path)) == split:
                yield sources.pack_name(path), partial(sources.read_rendered, path)
        if self.measured:
            for dataset in find_datasets(self.measured):
                if split_of(dataset.name) == split:
                    yield f"rgbd_{dataset.name}", partial(sources.read_measured, dataset)
        if split == "train":
            for path in (pack for folder in self.photos for pack in sources.find_packs(folder)):
                yield f"photos_{sources.pack_name(path)}", partial(sources.read_photos, path)
            if self.mujoco is not None:
                yield f"mujoco_{self.mujoco.name}", partial(sources.read_mujoco, self.mujoco)


def split_of(name: str) -> Split:
    """The split of a rendered pack or an RGB-D folder, by its name alone.

    A walk goes with its scene.
    """
    if name in sources.HELD_OUT_PLACES or sources.scene_of(name) in sources.HELD_OUT_SCENES:
        return "held-out"
    return "validation" if sources.scene_of(name) in sources.VALIDATION_SCENES else "train"
