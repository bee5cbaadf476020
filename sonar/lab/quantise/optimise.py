"""A model becomes the files that run fastest here: exact rewrites, then int8."""

import importlib.util
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sonar.depth.artefacts import artefact_path
from sonar.depth.compare import deviation
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store
from sonar.depth.practice import practice_images
from sonar.depth.preprocess import Preprocessor
from sonar.errors import MissingExtraError, ModelError
from sonar.files import atomic_path
from sonar.types import FloatImage, RgbImage

Report = Callable[[str], None]
PRECISIONS = ("fp32", "int8")
MOST_IMAGES = 48  # more were measured to gain nothing
PRACTICE_IMAGES = 24
REWRITE_TOLERANCE = 1e-4  # the rewrites are exact but for the order of additions


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file made from a model.

    Attributes:
        precision: "fp32" or "int8".
        path: in the cache.
        deviation: mean deviation from the original in float32, as a share of its range, on the
            images kept for checking.
    """

    precision: str
    path: Path
    deviation: float


def optimise(
    model: ResolvedModel,
    *,
    precisions: Sequence[str] = PRECISIONS,
    images: Iterable[RgbImage] | None = None,
    store: Store | None = None,
    report: Report | None = None,
) -> list[Artefact]:
    """Make each of ``precisions`` anew, where :func:`sonar.depth.open_engine` finds it.

    ``images``: uint8 (H, W, 3) RGB images to calibrate int8 with, best of the place where
    sonar will be used; at most 48 are taken, evenly; None makes up practice images, which serve
    less well. ``report`` gets a sentence for each step.

    Raises MissingExtraError without onnx (or torch, for a checkpoint), ModelError when the model
    cannot be converted, OutputError when the cache cannot be written. What was there before
    stays until its successor is complete.
    """
    if importlib.util.find_spec("onnx") is None:
        raise MissingExtraError("midas", f"optimising {model.name}")
    store, report = store or Store(), report or (lambda _: None)
    tensors = _tensors(model, images)
    made: list[Artefact] = []
    source = artefact_path(store, model, "fp32")
    if "fp32" in precisions or not source.is_file():
        with tempfile.TemporaryDirectory(prefix="sonar-optimise-") as folder:
            made.append(_make_float(model, tensors, Path(folder), store, report))
    if "int8" in precisions:
        made.append(_make_int8(model, source, tensors, store, report))
    return [artefact for artefact in made if artefact.precision in precisions]


def _as_onnx(model: ResolvedModel, folder: Path, report: Report) -> Path:
    """The model's file, or where it is a checkpoint, its conversion in ``folder``."""
    if model.format == "onnx":
        return model.path
    from sonar.depth.midas import load_network
    from sonar.lab.quantise.export import export_onnx

    report(f"{model.name}: converting to ONNX")
    exported = folder / "exported.onnx"
    export_onnx(load_network(model), exported, model.contract)
    return exported


def _make_float(
    model: ResolvedModel, tensors: Sequence[FloatImage], folder: Path, store: Store, report: Report
) -> Artefact:
    import onnx

    from sonar.lab.quantise import graph
    from sonar.lab.quantise.quantise import outputs

    original = _as_onnx(model, folder, report)
    proto = graph.fold(original, folder / "folded.onnx")
    counts = graph.simplify(proto)
    target = artefact_path(store, model, "fp32")
    with atomic_path(target) as temporary:
        onnx.save(proto, str(temporary))
        name = model.contract.depth_output
        before, after = (outputs(path, tensors[:1], name)[0] for path in (original, temporary))
        apart = deviation(before, after)
        if apart > REWRITE_TOLERANCE:
            raise ModelError(
                f"{model.name} cannot be optimised: its simplified form differs by {apart:.1%}"
            )
    report(f"{model.name}: simplified ({_summary(counts)}), {target}")
    return Artefact("fp32", target, apart)


def _make_int8(
    model: ResolvedModel, source: Path, tensors: Sequence[FloatImage], store: Store, report: Report
) -> Artefact:
    import onnx

    from sonar.lab.quantise.quantise import quantise

    report(f"{model.name}: quantising to int8 with {len(tensors)} images")
    target = artefact_path(store, model, "int8")
    with atomic_path(target) as temporary:
        count, apart = quantise(
            onnx.load(str(source)), temporary, tensors, depth_output=model.contract.depth_output
        )
    report(
        f"{model.name}: int8 deviates {apart:.2%} from float32 on average, "
        f"{count} convolutions left in float, {target}"
    )
    return Artefact("int8", target, apart)


def _tensors(model: ResolvedModel, images: Iterable[RgbImage] | None) -> list[FloatImage]:
    """Network inputs of at most :data:`MOST_IMAGES` images, evenly taken."""
    given = practice_images(PRACTICE_IMAGES) if images is None else images
    preprocess = Preprocessor(model.contract)
    kept: list[FloatImage] = []
    step = 1
    for index, image in enumerate(given):
        if index % step:
            continue
        kept.append(preprocess(image).copy())
        if len(kept) == 2 * MOST_IMAGES:
            kept, step = kept[::2], step * 2
    if len(kept) < 2:
        raise ModelError("int8 needs at least two images to calibrate with")
    return kept[:: -(-len(kept) // MOST_IMAGES)]


def _summary(counts: dict[str, int]) -> str:
    done = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(done) or "nothing to rewrite"
