"""What a benchmark found."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """One backend at one precision and shape, picture in to depth map out.

    Attributes:
        shape: (rows, columns) of the network's input.
        median_ms, p95_ms: of one frame.
        ratio: how many times faster than the baseline; None without a baseline.
        deviation: mean difference from float32 in ONNX Runtime, as a share of its range.
        rss_mb: resident memory in MB (1e6 bytes) of a fresh process that runs only this; None
            where it was not measured.
    """

    backend: str
    precision: str
    shape: tuple[int, int]
    median_ms: float
    p95_ms: float
    ratio: float | None
    deviation: float
    rss_mb: float | None


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Everything of one run.

    Attributes:
        model: its name.
        weights: "by rule" where made-up weights stood in for the official ones, else where they
            came from. Speed does not depend on weights; deviation does.
        threads: given to each backend.
        cpu: the processor's name.
        runs: timed frames for each line.
        baseline_ms: median of eager torch on MiDaS small at 256x256 with its transform and
            bicubic upsampling; None where torch is not installed.
        baseline_p95_ms: likewise.
        notes: what people should know when they read the figures.
    """

    model: str
    weights: str
    threads: int
    cpu: str
    runs: int
    baseline_ms: float | None
    baseline_p95_ms: float | None
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def format_table(report: BenchReport) -> str:
    """The report in plain text, a line for each result."""
    lines = [
        f"{report.model} ({report.weights}), {report.threads} threads, "
        f"medians of {report.runs} frames, interleaved",
        f"{'':<19}{'shape':>9}{'median':>10}{'p95':>10}{'ratio':>8}{'deviation':>11}{'memory':>9}",
    ]
    if report.baseline_ms is not None:
        lines.append(
            f"{'eager torch':<19}{'256x256':>9}{report.baseline_ms:>7.1f} ms"
            f"{report.baseline_p95_ms or 0.0:>7.1f} ms{'1.0x':>8}"
        )
    for item in report.results:
        shape = f"{item.shape[0]}x{item.shape[1]}"
        ratio = "-" if item.ratio is None else f"{item.ratio:.1f}x"
        memory = "-" if item.rss_mb is None else f"{item.rss_mb:.0f} MB"
        lines.append(
            f"{item.backend:<12}{item.precision:<7}{shape:>9}{item.median_ms:>7.1f} ms"
            f"{item.p95_ms:>7.1f} ms{ratio:>8}{item.deviation:>11.2%}{memory:>9}"
        )
    return "\n".join([*lines, *report.notes])
