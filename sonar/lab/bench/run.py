"""The depth engines beside the usual way to run MiDaS small, timed in one interleaved run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from sonar.clock import SystemClock
from sonar.config import EngineConfig
from sonar.depth.backends import thread_count
from sonar.depth.contract import IMAGENET_MEAN, IMAGENET_STD
from sonar.depth.engine import NetworkEngine
from sonar.depth.models import ResolvedModel, Store
from sonar.depth.practice import deviation, practice_images
from sonar.depth.select import (
    candidates,
    installed,
    missing_precisions,
    open_backend,
)
from sonar.errors import MissingExtraError
from sonar.lab.quantise import optimise
from sonar.ports import Clock
from sonar.types import FloatImage, Frame, RgbImage

Report = Callable[[str], None]
SHAPE = (192, 256)  # of a camera's 4:3 frame
FRAME_HW = (480, 640)  # rows and columns, a camera's
CHECKED_IMAGES = 4
RUNS = 40


@dataclass(frozen=True, slots=True)
class Result:
    """One backend at one precision, frame in to depth map out.

    Attributes:
        median_ms, p95_ms: of one frame.
        ratio: how many times faster than the baseline; None without a baseline.
        deviation: mean difference from float32 in ONNX Runtime, as a share of its range.
    """

    backend: str
    precision: str
    median_ms: float
    p95_ms: float
    ratio: float | None
    deviation: float


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Everything of one run.

    Attributes:
        model: its name.
        threads: given to each backend.
        runs: timed frames for each line.
        shape: (rows, columns) of the network's input.
        baseline_ms: median of eager torch on MiDaS small at 256x256 with its transform and
            bicubic upsampling; None where torch is not installed.
    """

    model: str
    threads: int
    runs: int
    shape: tuple[int, int]
    baseline_ms: float | None
    results: tuple[Result, ...]


@dataclass(slots=True)
class _Line:
    backend: str
    precision: str
    engine: NetworkEngine
    spent_s: list[float] = field(default_factory=list)


def run_bench(
    model: str = "builtin",
    *,
    runs: int = RUNS,
    threads: int = 0,
    store: Store | None = None,
    clock: Clock | None = None,
    report: Report = lambda sentence: None,
) -> BenchReport:
    """Time the eager baseline and each installed backend and precision, interleaved.

    ``model``: a name or path. ``threads`` as in the configuration. int8 versions that are missing
    are made first, which takes a minute.

    Raises ModelError when the model is not installed or damaged.
    """
    store, clock = store or Store(), clock or SystemClock()
    count = thread_count(threads)
    resolved = store.resolve(model)
    shape = resolved.contract.fixed_hw or SHAPE
    contract = replace(resolved.contract, fit="exact", fixed_hw=shape)
    lines = []
    for config in _configs(resolved, store, report):
        for candidate in candidates(config, resolved, store):
            backend = open_backend(candidate, resolved, count, store)
            engine = NetworkEngine(backend, contract, candidate.backend)
            lines.append(_Line(candidate.backend, candidate.precision, engine))
    frames = [
        Frame(image, n, 0.0) for n, image in enumerate(practice_images(CHECKED_IMAGES, *FRAME_HW))
    ]
    depths = [[line.engine.estimate(frame).values for frame in frames] for line in lines]
    baseline = None
    if installed("torch") and installed("timm"):
        baseline = eager_torch(count)
    else:
        report("the baseline needs torch: pip install 'sonar-assist[midas]'")
    report(f"timing {len(lines)} engines and the baseline, {runs} frames each")
    base_s = _time(lines, frames, baseline, runs, clock)
    for line in lines:
        line.engine.close()
    base_ms = 1e3 * float(np.median(base_s)) if base_s else None
    results = []
    for line, found in zip(lines, depths, strict=True):
        median_ms, p95_ms = (1e3 * float(np.quantile(line.spent_s, q)) for q in (0.5, 0.95))
        apart = np.mean([deviation(a, b) for a, b in zip(depths[0], found, strict=True)])
        ratio = None if base_ms is None else base_ms / median_ms
        results.append(Result(line.backend, line.precision, median_ms, p95_ms, ratio, float(apart)))
    return BenchReport(resolved.name, count, runs, shape, base_ms, tuple(results))


def _configs(model: ResolvedModel, store: Store, report: Report) -> list[EngineConfig]:
    """Float32 ONNX first, since it is the reference."""
    configs = []
    for backend, extra in (("onnx", None), ("openvino", "openvino"), ("torch", "midas")):
        if extra is not None and installed(backend) is None:
            report(f"{backend} is not installed: pip install 'sonar-assist[{extra}]'")
            continue
        if backend == "torch" and model.format != "torch":
            continue  # there is no torch network for an ONNX file
        for precision in ("fp32",) if backend == "torch" else ("fp32", "int8"):
            config = EngineConfig.model_validate({"backend": backend, "precision": precision})
            try:
                if missing := missing_precisions(config, model, store):
                    optimise(model, precisions=missing, store=store, report=report)
            except MissingExtraError as error:
                report(f"{backend} {precision} is left out: {error}")
            else:
                configs.append(config)
    return configs


def _time(
    lines: list[_Line],
    frames: list[Frame],
    baseline: Callable[[RgbImage], FloatImage] | None,
    runs: int,
    clock: Clock,
) -> list[float]:
    """Fill each line's ``spent_s``; returns the baseline's times.

    Before each timed frame runs one that is not: what ran before (another library's threads
    still spinning, other weights in the cache) is not this one's fault.
    """
    base_s: list[float] = []
    for line in lines:
        line.engine.warm_up(*FRAME_HW)
    for number in range(runs):
        frame = frames[number % len(frames)]
        if baseline is not None:
            baseline(frame.image)
            began_s = clock.now()
            baseline(frame.image)
            base_s.append(clock.now() - began_s)
        for line in lines:
            line.engine.estimate(frame)
            began_s = clock.now()
            line.engine.estimate(frame)
            line.spent_s.append(clock.now() - began_s)
    return base_s


def eager_torch(threads: int) -> Callable[[RgbImage], FloatImage]:
    """MiDaS small the way it is usually run: eager torch, its own transform, full-size upsampling.

    Source: the example of isl-org/MiDaS on PyTorch Hub and its ``small_transform``, in float64 as
    it is written there. The network sees 256x256 whatever the image's ratio. Its weights are
    random: speed does not depend on them.

    Returns a function: image uint8 (H, W, 3) RGB -> float32 (H, W).
    """
    import torch

    from sonar.depth.midas.network import MidasSmall

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network: Any = MidasSmall().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # no signal fades into slow, denormal numbers
            torch.nn.init.kaiming_normal_(module.weight)

    def run(image: RgbImage) -> FloatImage:
        sample = cv2.resize(image / 255.0, (256, 256), interpolation=cv2.INTER_CUBIC)
        sample = (sample - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
        tensor = np.ascontiguousarray(np.transpose(sample, (2, 0, 1))).astype(np.float32)
        with torch.no_grad():
            prediction = torch.nn.functional.interpolate(
                network(torch.from_numpy(tensor).unsqueeze(0)).unsqueeze(1),
                size=image.shape[:2],
                mode="bicubic",
                align_corners=False,
            ).squeeze()
        return np.asarray(prediction.cpu().numpy(), np.float32)

    return run


def format_table(report: BenchReport) -> str:
    """The report in plain text, a line for each result."""
    rows, columns = report.shape
    lines = [
        f"{report.model} at {rows}x{columns}, {report.threads} threads, "
        f"medians of {report.runs} frames, interleaved",
        f"{'':<19}{'median':>10}{'p95':>10}{'ratio':>8}{'deviation':>11}",
    ]
    if report.baseline_ms is not None:
        lines.append(f"{'MiDaS, eager torch':<19}{report.baseline_ms:>7.1f} ms{'':>10}{'1.0x':>8}")
    for item in report.results:
        ratio = "-" if item.ratio is None else f"{item.ratio:.1f}x"
        lines.append(
            f"{item.backend:<12}{item.precision:<7}{item.median_ms:>7.1f} ms{item.p95_ms:>7.1f} ms"
            f"{ratio:>8}{item.deviation:>11.2%}"
        )
    return "\n".join(lines)
