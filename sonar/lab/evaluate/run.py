"""An evaluation: all data with each configuration."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sonar.app import open_engine
from sonar.config import SonarConfig
from sonar.errors import SourceError
from sonar.lab.evaluate.data import Dataset, find_datasets
from sonar.lab.evaluate.folder import MountUse, read_folder
from sonar.lab.evaluate.labels import Clip, find_clips, name_apart
from sonar.lab.evaluate.report import sum_up
from sonar.lab.evaluate.results import Evaluated
from sonar.lab.evaluate.walks import read_clip, walk_figures


def find_data(paths: Sequence[Path]) -> list[Dataset | Clip]:
    """RGB-D folders, then labeled recordings among ``paths``. Raises SourceError."""
    clips: list[Clip] = []
    folders: list[Path] = []
    for path in paths:
        if not path.exists():
            raise SourceError(f"{path} does not exist.")
        labeled = find_clips(path)
        clips += labeled
        images = any(path.glob("*_depth.png")) or any(path.glob("*/*_depth.png"))
        if path.is_dir() and (images or not labeled):
            folders.append(path)
        elif not labeled:
            raise SourceError(f"{path} is neither a folder nor a labeled video.")
    return [*(find_datasets(folders) if folders else ()), *name_apart(clips)]


def evaluate(
    configs: Mapping[str, SonarConfig],
    data: Sequence[Dataset | Clip],
    mount_use: MountUse,
    progress: Callable[[int, int | None], None],
) -> list[Evaluated]:
    """Figures of each configuration, by the names of ``configs``.

    Raises SourceError, ModelError or MissingExtraError.
    """
    evaluated = []
    for number, (name, config) in enumerate(configs.items()):
        folders, clips = [], []
        with closing(open_engine(config)) as engine:
            for count, what in enumerate(data, 1):
                if isinstance(what, Dataset):
                    folders.append(read_folder(what, config, engine, mount_use))
                else:
                    clips.append(read_clip(what, config))
                progress(number * len(data) + count, len(configs) * len(data))
        depth = sum_up(folders, config, engine.label, mount_use) if folders else None
        walks = walk_figures(clips) if clips else None
        evaluated.append(Evaluated(name, engine.label, depth, walks, tuple(clips)))
    return evaluated
