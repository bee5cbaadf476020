"""An evaluation: all data with each configuration, and the report of it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from sonar.app import open_engine
from sonar.config import SonarConfig
from sonar.depth.models import Store
from sonar.errors import SourceError
from sonar.lab.evaluate.data import Dataset, find_datasets, holds_places
from sonar.lab.evaluate.figures import DISTANCE_RANGE_M, NEAR_M, FigureReading, compare, sample
from sonar.lab.evaluate.heard import ClipResult
from sonar.lab.evaluate.labels import Clip, find_clips, name_apart
from sonar.lab.evaluate.naive import naive_readings
from sonar.lab.evaluate.places import learned_from, seen_by
from sonar.lab.evaluate.play import Played, play
from sonar.lab.evaluate.walks import read_clip, walk_figures

Report = dict[str, Any]
"""JSON, as ``--json`` prints it: ``models`` (variant -> model), ``places`` and ``recordings``."""
MIN_MAX = "min-max"


def find_data(paths: Sequence[Path]) -> list[Dataset | Clip]:
    """Places with known depth, then labeled recordings among ``paths``. Raises SourceError."""
    clips: list[Clip] = []
    folders: list[Path] = []
    for path in paths:
        if not path.exists():
            raise SourceError(f"{path} does not exist.")
        labeled = find_clips(path)
        clips += labeled
        if holds_places(path) or (path.is_dir() and not labeled):
            folders.append(path)
        elif not labeled:
            raise SourceError(f"{path} is neither a folder nor a pack nor a labeled video.")
    return [*(find_datasets(folders) if folders else ()), *name_apart(clips)]


def evaluate(
    configs: Mapping[str, SonarConfig],
    data: Sequence[Dataset | Clip],
    progress: Callable[[int, int | None], None],
) -> Report:
    """What each configuration, by the names of ``configs``, makes of the same data.

    Raises SourceError, ModelError or MissingExtraError.
    """
    played: list[Played] = []
    clips: dict[str, list[ClipResult]] = {name: [] for name in configs}
    learned: dict[str, frozenset[str] | None] = {}
    with ExitStack() as stack:
        engines = {}
        for name, config in configs.items():
            engine = stack.enter_context(closing(open_engine(config)))
            engines[name] = config, engine
            learned[name] = learned_from(Store(config.models).resolve(config.engine.model))
        for count, what in enumerate(data, 1):
            if isinstance(what, Dataset):
                played.append(play(what, engines))
            else:
                for name, config in configs.items():
                    clips[name].append(read_clip(what, config))
            progress(count, len(data))
    return {
        "models": {name: engine.label for name, (_, engine) in engines.items()},
        "near_m": NEAR_M,
        "distance_range_m": DISTANCE_RANGE_M,
        "places": report_places(played, learned),
        "recordings": {name: walk_figures(found) for name, found in clips.items() if found},
    }


def report_places(
    played: Sequence[Played], learned: Mapping[str, frozenset[str] | None]
) -> dict[str, Report]:
    """By place: what each model has ``seen`` of it, ``figures``, ``without_mount``, ``compared``
    with the first variant, ``drop_found_m`` where there is a drop, and what was counted.

    ``learned``: what each variant's model states that it was trained on.
    """
    naive = naive_readings([(p.inverse_depths, p.first.readings) for p in played])
    return {p.name: _place(p, learned, least) for p, least in zip(played, naive, strict=True)}


def _place(
    played: Played, learned: Mapping[str, frozenset[str] | None], naive: list[FigureReading]
) -> Report:
    blocks, columns = played.blocks, played.columns
    sampled = {n: sample(c.readings, c.facts, blocks) for n, c in columns.items()}
    bare = {n: sample(c.without_mount, [], blocks) for n, c in columns.items()}
    first, *others = sampled
    found: Report = {
        "seen": {name: seen_by(played.name, sources) for name, sources in learned.items()},
        "mount": played.origin,
        "frames": len(blocks),
        "frames_without_floor": played.pairs - len(blocks),
        "frames_without_drop": played.frames_without_drop,
        "near": sum(r.true_m is not None and r.true_m < NEAR_M for r in played.first.readings),
        "unmeasured": played.unmeasured,
        "figures": {name: one.figures() for name, one in sampled.items()},
        "without_mount": {name: one.figures() for name, one in bare.items()},
        "compared": {name: compare(sampled[first], sampled[name]) for name in others},
    }
    found["figures"][MIN_MAX] = sample(naive, [], blocks).figures()
    if played.has_drop:
        found["drop_found_m"] = {name: column.drop_found_m for name, column in columns.items()}
    return found
