"""The commands of :mod:`sonar.lab`: evaluate, simulate, bench and train-ear."""

import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from sonar.cli.ui import OutOrNone, as_sets, note, options, say, voice
from sonar.config import SonarConfig
from sonar.errors import ConfigError


def evaluate(
    data: Annotated[
        list[Path],
        Argument(metavar="DATA...", help="folders of RGB-D pairs, rendered packs, labeled videos"),
    ],
    models: Annotated[list[str], Option("--model", help="several are compared")] = [],  # noqa: B006
    precisions: Annotated[list[str], Option("--precision", help="fp32, int8")] = [],  # noqa: B006
    out: OutOrNone = None,
) -> None:
    """Figures of distances, bands and warnings.

    Places with known depth (folders of RGB-D pairs, rendered packs; with the camera's mount and
    without, beside per-frame min-max), and videos with labels of what was there
    (events_truth.yaml beside video.mp4, or NAME.truth.yaml beside NAME.mp4). --out gets
    evaluation.json and .html. Several --model, --precision or --config are compared with the
    first. Held-out places are marked."""
    from sonar.lab import evaluate as lab
    from sonar.replay.folder import EVALUATION_FILES, output_folder

    configs = _variants(models, precisions)
    found = lab.find_data(data)
    if out is not None:  # before the work, which may take hours
        with output_folder(out, data) as folder:
            folder.check(EVALUATION_FILES)
    report = lab.evaluate(configs, found, options.progress("evaluate"))
    options.answer(report, lab.lines(report))
    if out is not None:
        written = lab.write_results(out, report, data)
        note(f"Written: {', '.join(str(file) for file in written)}.")


def _variants(models: Sequence[str], precisions: Sequence[str]) -> dict[str, SonarConfig]:
    """A configuration by name for each --config with each --model and --precision."""
    found: dict[str, SonarConfig] = {}
    paths: Sequence[str | None] = options.configs or (None,)
    for path, model, precision in product(paths, models or (None,), precisions or (None,)):
        one = replace(options, configs=[path] if path else [])
        apart = (path if len(paths) > 1 else None, model, precision)
        name = " ".join(part for part in apart if part) or "sonar"
        found[name] = one.ready(own=as_sets(engine__model=model, engine__precision=precision))
    return found


def simulate(
    scenarios: Annotated[
        list[str] | None,
        Argument(metavar="SCENARIO...", help="names, YAML files of your own, or all"),
    ] = None,
    out: OutOrNone = None,
    closed_loop: Annotated[bool, Option("--closed-loop", help="a walker that only hears")] = False,
    depth: Annotated[Literal["exact", "network", "both"], Option(help="of the walker")] = "exact",
    seeds: Annotated[int, Option("--seeds", min=1, max=100, help="starts of each")] = 1,
    short: Annotated[bool, Option("--short", help="only the first meters of each")] = False,
) -> None:
    """Walks through simulated places: recorded, or by ear.

    Without SCENARIO it lists them. Each becomes a folder in --out: video.mp4, depth.npz
    (exact meters), poses.csv, config.yaml (the camera's mount) and events_truth.yaml, which `sonar
    evaluate` reads. With --closed-loop a walker goes the same ways, with the sound and without it,
    and its contacts are counted."""
    from sonar.lab.simulate.closed_loop import as_json, run, table, ways
    from sonar.lab.simulate.record import record
    from sonar.lab.simulate.scenario import load, names

    if not scenarios:
        about = {name: load(name).about for name in names()}
        return options.answer(about, [f"{name:<20}{text}" for name, text in about.items()])
    wanted = [name for word in scenarios for name in (names() if word == "all" else (word,))]
    found = [load(name) for name in wanted]
    if not closed_loop:
        if out is None:
            raise ConfigError("--out names the folder that the walks are written to.")
        inputs = [Path(word) for word in wanted]
        done = [
            record(one, out, progress=options.progress(one.name), inputs=inputs) for one in found
        ]
        return options.answer([one.as_json() for one in done], map(str, done))
    config = options.load() if depth == "exact" else options.ready()
    with ways(config, depth) as compared:
        advance = options.progress("walks")
        walked = run(found, compared, seeds=range(seeds), short=short, progress=advance)
    options.answer(as_json(walked, range(seeds), short), table(walked))


def bench(
    model: Annotated[str, Option("--model", help="name or path")] = "builtin",
    chain: Annotated[bool, Option("--chain", help="rate, age of sound, start instead")] = False,
) -> None:
    """Time the depth engines, or with --chain everything.

    Engines are timed beside the usual way to run MiDaS small, in one interleaved run."""
    from sonar.depth.models import Store
    from sonar.lab.bench import format_table, run_bench
    from sonar.lab.bench.chain import measure

    config = options.load()
    if chain:
        figures = asdict(measure(config))
        return options.answer(figures, [f"{name:<16} {value}" for name, value in figures.items()])
    threads, store = config.engine.threads, Store(config.models)
    report = run_bench(model, threads=threads, store=store, report=note)
    options.answer(asdict(report), [format_table(report)])


def train_ear(
    questions: Annotated[int, Option(min=1, max=10, help="in each lesson")] = 8,
    seed: Annotated[int | None, Option(help="the same seed asks the same questions")] = None,
) -> None:
    """Learn the sounds in ten minutes.

    Listen, answer with 1 2 3 4, hear your score.
    Space plays again, q ends. Everything is spoken and printed; no camera, no model.
    """
    from sonar.clock import SystemClock
    from sonar.lab.simulate.ear import EarStage, EarTrainer, single_keys
    from sonar.lab.simulate.ear_scenes import SceneMaker

    config = options.load()
    audio = config.audio
    if audio.scheme == "quiet":  # it would teach nothing: while one thinks, nothing is announced
        audio = audio.model_copy(update={"scheme": "pulse"})
    chosen = random.randrange(1 << 32) if seed is None else seed
    with single_keys() as keys, voice(audio, config.speech, 3600.0) as (mixer, sink, bank):
        stage = EarStage(mixer, sink, SystemClock(), bank, note if options.json else say)
        trainer = EarTrainer(SceneMaker(audio, chosen), stage, keys, questions, chosen)
        score = trainer.run()
        sink.drain(1.0)
    options.answer({**asdict(score), "seed": chosen}, ())
