"""``sonar evaluate``: how well metres, bands and warnings agree with measured depth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from sonar.cli.ui import common, progress, say
from sonar.errors import ConfigError

if TYPE_CHECKING:  # numpy and OpenCV are not every command's need
    from sonar.replay.evaluate import EvaluationReport
    from sonar.replay.evaluate_figures import Figures

_ROWS = (
    ("distance_median_rel_error", "median distance error"),
    ("distance_p95_rel_error", "p95 distance error"),
    ("near_auc", "nearness AUC"),
    ("near_recall", "near recall"),
    ("near_false_alarm", "near false alarms"),
    ("nearest_zone_agreement", "nearest zone agrees"),
)


def evaluate(
    ctx: typer.Context,
    datasets: Annotated[
        list[Path], typer.Argument(help="folders of RGB-D pairs, or folders of such folders")
    ],
    mount: Annotated[
        str,
        typer.Option("--mount", help="what sonar is told of the camera: frames, fixed or none"),
    ] = "frames",
) -> None:
    """Compare sonar with measured depth, beside per-frame min-max, folder by folder."""
    from sonar.app import make_zones, open_engine
    from sonar.replay.evaluate import MountUse
    from sonar.replay.evaluate import evaluate as run

    options = common(ctx)
    config = options.load()
    if mount not in get_args(MountUse):
        raise ConfigError(f"--mount is one of {', '.join(get_args(MountUse))}, not {mount!r}")
    with progress(options, "evaluate") as advance:
        report = run(
            datasets,
            config,
            lambda: open_engine(config),
            lambda where: make_zones(config, where),
            mount_use=mount,  # type: ignore[arg-type]
            progress=advance,
        )
    say(report.to_json() if options.json else "\n".join(_lines(report)))


def _lines(report: "EvaluationReport") -> list[str]:
    """A paragraph for each folder: what, sonar, the common approach."""
    lines = [f"{report.model}; near is closer than {report.near_m:g} m"]
    for name, source in report.sources.items():
        lines += ["", f"{name}: {source.n} zones in {source.frames} frames, mount {source.mount}"]
        lines.append(f"  {'':<24}{'sonar':>8}{'min-max':>10}")
        lines += [
            f"  {label:<24}{_figure(source, key):>8}{_figure(source.naive, key):>10}"
            for key, label in _ROWS
        ]
    return lines


def _figure(figures: "Figures", key: str) -> str:
    value = getattr(figures, key)
    return "-" if value is None else f"{value:.3f}"
