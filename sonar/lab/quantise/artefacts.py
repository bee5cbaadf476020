"""A model becomes the files that run fastest here: exact rewrites, then int8."""

import importlib.util
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sonar.depth.backends.onnx import OnnxBackend
from sonar.depth.models import ResolvedModel, Store
from sonar.depth.practice import deviation, practice_images
from sonar.depth.preprocess import Preprocessor
from sonar.depth.select import artefact_path, contract_of
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
    report: Report = lambda sentence: None,
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
        raise MissingExtraError("midas", f"optimizing {model.name}")
    import onnx

    from sonar.lab.quantise.graph import simplified
    from sonar.lab.quantise.quantise import outputs, quantise

    store = store or Store()
    made: list[Artefact] = []
    with tempfile.TemporaryDirectory(prefix="sonar-optimise-") as name:
        original = _as_onnx(model, Path(name), report)
        tensors = _tensors(model, original, images)
        proto = simplified(original, Path(name))
        depth = model.contract.depth_output or proto.graph.output[0].name
        if "fp32" in precisions:
            target = artefact_path(store, model, "fp32")
            with atomic_path(target) as temporary:
                onnx.save(proto, str(temporary))
                before, after = (
                    outputs(path, tensors[:1], depth)[0] for path in (original, temporary)
                )
                apart = deviation(before, after)
                if apart > REWRITE_TOLERANCE:
                    raise ModelError(
                        f"{model.name} cannot be optimized: its simplified form differs by "
                        f"{apart:.1%}"
                    )
            report(f"{model.name}: simplified, {target}")
            made.append(Artefact("fp32", target, apart))
        if "int8" in precisions:
            report(f"{model.name}: quantizing to int8 with {len(tensors)} images")
            target = artefact_path(store, model, "int8")
            with atomic_path(target) as temporary:
                apart = quantise(proto, temporary, tensors, depth_output=depth)
            report(f"{model.name}: int8 deviates {apart:.2%} from float32 on average, {target}")
            made.append(Artefact("int8", target, apart))
    return made


def _tensors(
    model: ResolvedModel, file: Path, images: Iterable[RgbImage] | None
) -> list[FloatImage]:
    """Network inputs of at most :data:`MOST_IMAGES` images, evenly taken."""
    preprocess = Preprocessor(contract_of(model.contract, OnnxBackend(file, threads=1)))
    kept: list[FloatImage] = []
    step = 1
    for index, image in enumerate(practice_images(PRACTICE_IMAGES) if images is None else images):
        if index % step:
            continue
        kept.append(preprocess(image).copy())
        if len(kept) == 2 * MOST_IMAGES:
            kept, step = kept[::2], step * 2
    if len(kept) < 2:
        raise ModelError("int8 needs at least two images to calibrate with")
    return kept[:: -(-len(kept) // MOST_IMAGES)]


def _as_onnx(model: ResolvedModel, folder: Path, report: Report) -> Path:
    """The model's file, or where it is a checkpoint, its conversion in ``folder``."""
    if model.format == "onnx":
        return model.path
    from sonar.depth.midas import load_network
    from sonar.lab.quantise.export import export_onnx

    report(f"{model.name}: converting to ONNX")
    exported = folder / "exported.onnx"
    export_onnx(load_network(model.path), exported)
    return exported
