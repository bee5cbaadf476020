"""The command line of ``scripts/train_builtin``."""

import argparse
import dataclasses
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonar.depth.models.registry import BUILTIN_PATH
from sonar.errors import SonarError
from sonar.lab.training.corpus import Corpus

if TYPE_CHECKING:  # torch is not every command's need
    from sonar.lab.training.network import CalibratedNetwork

VALIDATION_EVERY = 4  # of the validation frames, while training
PLANNED: dict[str, type] = {  # options of a training, as sonar.lab.training.train.Plan has them
    "steps": int,
    "minutes": float,
    "batch": int,
    "rate": float,
    "seed": int,
    "steady": float,
    "validate_minutes": float,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, report one clear sentence where it fails; the exit code."""
    given = _parser().parse_args(arguments)
    try:
        given.command(given)
    except SonarError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _corpus(given: argparse.Namespace) -> Corpus:
    return Corpus(given.cache, given.rendered, given.measured, given.photos, given.mujoco)


def _render(given: argparse.Namespace) -> None:
    from sonar.lab.simulate.places import render

    def progress(done: int, total: int) -> None:
        _say(f"{done} of {total} scenes")

    render(given.folder, given.scenes, seed=given.seed, progress=progress)


def _train(given: argparse.Namespace) -> None:
    import torch

    from sonar.lab.training import evaluate
    from sonar.lab.training.train import Plan, Trainer

    torch.set_num_threads(given.threads)
    corpus = _corpus(given)
    samples = corpus.samples("train", given.licence, _say)
    unseen = corpus.samples("validation", progress=_say)[::VALIDATION_EVERY]
    _say(f"samples: {dict(Counter(s.kind for s in samples))}; validation: {len(unseen)}")
    options = {name: getattr(given, name) for name in (*PLANNED, "device")}
    plan = Plan(**{name: value for name, value in options.items() if value is not None})
    if given.all_layers:
        plan = dataclasses.replace(plan, frozen=())

    def validate(network: "CalibratedNetwork") -> str:
        return evaluate.line(evaluate.figures(evaluate.network_model(network), unseen))

    Trainer(samples, given.run, plan, given.start, validate=validate).run(_say)


def _export(given: argparse.Namespace) -> None:
    from sonar.lab.training import evaluate
    from sonar.lab.training.export import export, export_int8
    from sonar.lab.training.train import averaged_network

    corpus = _corpus(given)
    unseen = corpus.samples("validation", progress=_say)
    samples = corpus.samples("train", given.licence, _say)
    network, step = averaged_network(given.state)
    scale = evaluate.figures(evaluate.network_model(network), unseen)["sigma_scale"]
    sources = sorted({s.source for s in samples})
    apart = export(given.state, given.target, sources, scale or 1.0)
    digest = hashlib.sha256(given.target.read_bytes()).hexdigest()
    _say(f"{given.target}: step {step}, {given.target.stat().st_size} bytes, SHA-256 {digest}")
    _say(f"sigma scale {scale}, greatest difference from torch {apart:.1e}")
    if given.int8:
        deviation = export_int8(given.target, given.int8, samples)
        _say(f"{given.int8}: {given.int8.stat().st_size} bytes, {deviation:.2%} from float32")


def _evaluate(given: argparse.Namespace) -> None:
    from sonar.lab.training import evaluate

    report: dict[str, dict[str, object]] = {}
    samples = _corpus(given).samples(given.split, progress=_say)
    for path in [*given.models, BUILTIN_PATH]:
        model = evaluate.onnx_model(path, given.threads)
        _say(str(path))
        found: dict[str, object] = {}
        for source, figures in evaluate.per_source(model, samples).items():
            found[source] = figures
            _say(f"  {source:26} {evaluate.line(figures)}")
        found["flicker"] = evaluate.flicker(model, [s.image for s in samples[::16]])
        _say(f"  flicker {found['flicker']:.2%}")
        report[str(path)] = found
    if given.json:
        given.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="scripts/train_builtin", description=__doc__)
    commands = top.add_subparsers(required=True)
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--cache", type=Path, required=True, help="folder for decoded samples")
    some: dict[str, Any] = {"type": Path, "nargs": "*", "default": []}
    data.add_argument("--rendered", help="folders of rendered packs", **some)
    data.add_argument("--measured", help="RGB-D folders, or folders of them", **some)
    data.add_argument("--photos", help="packs of photos with depth labels", **some)
    data.add_argument("--mujoco", type=Path, help="folder that 'render' filled")
    text = "commercial: only sources whose stated license allows commercial use"
    data.add_argument("--licence", choices=("any", "commercial"), default="any", help=text)
    data.add_argument("--threads", type=int, default=1, help="more pays on an idle machine only")

    one = commands.add_parser("render", help="simulated places with exact depth, by MuJoCo")
    one.add_argument("folder", type=Path)
    one.add_argument("--scenes", type=int, default=160)
    one.add_argument("--seed", type=int, default=1)
    one.set_defaults(command=_render)

    one = commands.add_parser("train", parents=[data], help="train, or continue training")
    one.add_argument("run", type=Path, help="folder of the run")
    text = "of a new run: the shipped relative model's ONNX file, or lite0, lite1, lite2"
    one.add_argument("--start", default=str(BUILTIN_PATH), help=text)
    for name, kind in PLANNED.items():
        one.add_argument(f"--{name.replace('_', '-')}", type=kind, help="as Plan in train.py says")
    one.add_argument("--all-layers", action="store_true", help="the encoder's first parts too")
    one.add_argument("--device", choices=("cpu", "cuda"))
    one.set_defaults(command=_train)

    one = commands.add_parser("export", parents=[data], help="write a state as ONNX")
    one.add_argument("state", type=Path)
    one.add_argument("target", type=Path)
    one.add_argument("--int8", type=Path, help="also write the int8 version here")
    one.set_defaults(command=_export)

    one = commands.add_parser("evaluate", parents=[data], help="figures, beside today's model")
    one.add_argument("models", type=Path, nargs="*")
    one.add_argument("--split", choices=("validation", "held-out"), default="validation")
    one.add_argument("--json", type=Path, help="write the figures here too")
    one.set_defaults(command=_evaluate)
    return top
