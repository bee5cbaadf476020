"""``sonar evaluate``: how well distances and warnings agree with what was really there."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from sonar.cli.prepare import prepare
from sonar.cli.ui import Advance, Common, common, emit_json, note, progress, say
from sonar.config import SonarConfig
from sonar.errors import ConfigError, SourceError

if TYPE_CHECKING:  # numpy and OpenCV are not every command's need
    from sonar.lab.evaluate.data import Dataset
    from sonar.lab.evaluate.folder import MountUse
    from sonar.lab.evaluate.results import Evaluated
    from sonar.replay.labels import Clip


def evaluate(
    ctx: typer.Context,
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="folders of RGB-D pairs, labeled videos, or folders of either",
        ),
    ],
    mount: Annotated[
        str,
        typer.Option(
            "--mount", help="RGB-D: what sonar knows of the camera: frames, fixed or none"
        ),
    ] = "frames",
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="depth model; several, or several --config, are compared"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder for evaluation.json and .html"),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=64, help="so many processes at a time")
    ] = 1,
) -> None:
    """Figures of distances, bands and warnings.

    Folders of images with measured depth (beside per-frame min-max), and videos with labels of
    what was there (events_truth.yaml beside video.mp4, or NAME.truth.yaml beside NAME.mp4)."""
    from sonar.lab.evaluate.folder import MountUse
    from sonar.lab.evaluate.results import document, lines, write_results
    from sonar.replay.folder import EVALUATION_FILES, output_folder

    options = common(ctx)
    uses: dict[str, MountUse] = {use: use for use in get_args(MountUse)}
    if mount not in uses:
        raise ConfigError(f"--mount is one of {', '.join(uses)}, not {mount!r}")
    variants = _variants(options, models or [])
    datasets, clips = _sorted_out(data)
    if out is not None:  # before the work, which may take hours
        with output_folder(out, data) as folder:
            folder.check(EVALUATION_FILES)
    with progress(options, "evaluate") as advance:
        results = _evaluated(variants, datasets, clips, uses[mount], jobs, advance)
    if options.json:
        emit_json(document(results))
    else:
        say("\n".join(lines(results)))
    if out is not None:
        written = write_results(out, results, data)
        note(f"Written: {', '.join(str(file) for file in written)}.")


def _variants(options: Common, models: Sequence[str]) -> list[tuple[str, SonarConfig]]:
    """A name and configuration for each --config with each --model."""
    from sonar.config.load import load_config

    found: dict[str, SonarConfig] = {}
    paths: list[str | None] = [*options.configs] or [None]
    names: list[str | None] = [*models] or [None]
    for path in paths:
        config = load_config(path, options.sets)
        for model in names:
            parts = [] if path is None else [Path(path).stem]
            here = config
            if model is not None:
                engine = config.engine.model_copy(update={"model": model})
                here = config.model_copy(update={"engine": engine})
                parts.append(model)
            name, number = " ".join(parts) or "sonar", 1
            while name in found:
                number += 1
                name = f"{' '.join(parts)} {number}"
            prepare(here)
            found[name] = here
    return list(found.items())


def _sorted_out(paths: Sequence[Path]) -> "tuple[list[Dataset], list[Clip]]":
    """RGB-D folders and labeled recordings among ``paths``. Raises SourceError."""
    from sonar.lab.evaluate.data import find_datasets
    from sonar.replay.labels import find_clips, name_apart

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
    return list(find_datasets(folders)) if folders else [], name_apart(clips)


def _evaluated(
    variants: Sequence[tuple[str, SonarConfig]],
    datasets: "Sequence[Dataset]",
    clips: "Sequence[Clip]",
    mount: "MountUse",
    jobs: int,
    advance: Advance,
) -> "list[Evaluated]":
    from sonar.lab.evaluate.data import Dataset
    from sonar.lab.evaluate.folder import FolderReadings
    from sonar.lab.evaluate.jobs import Piece, Result, perform_all, pinned
    from sonar.lab.evaluate.report import sum_up
    from sonar.lab.evaluate.results import Evaluated
    from sonar.lab.evaluate.walks import walk_figures
    from sonar.replay.heard import ClipResult
    from sonar.replay.labels import Clip

    fixed = [(name, *pinned(config)) for name, config in variants]
    data: list[Dataset | Clip] = [*datasets, *clips]
    pieces = [Piece(what, config, mount) for _, config, _ in fixed for what in data]
    results: list[Result | None] = [None] * len(pieces)
    for done, (place, result) in enumerate(perform_all(pieces, jobs), 1):
        results[place] = result
        advance(done, len(pieces))
    share = len(data)
    evaluated = []
    for index, (name, config, model) in enumerate(fixed):
        mine = results[index * share : (index + 1) * share]
        folders = [result for result in mine if isinstance(result, FolderReadings)]
        walked = tuple(result for result in mine if isinstance(result, ClipResult))
        evaluated.append(
            Evaluated(
                name,
                model,
                sum_up(folders, config, model, mount) if folders else None,
                walk_figures(walked) if walked else None,
                walked,
            )
        )
    return evaluated
