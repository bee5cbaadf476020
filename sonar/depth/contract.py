"""What a depth network expects and what it gives."""

from dataclasses import dataclass
from typing import Literal

from sonar.types import DepthKind

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Fit = Literal["longer", "shorter", "minimal", "exact"]


@dataclass(frozen=True, slots=True)
class InputContract:
    """Input and output of one network; the engine preprocesses by it and nothing else.

    Attributes:
        size_px: the side that ``fit`` speaks of.
        fit: ``longer`` scales so that the longer side is at most ``size_px`` (MiDaS small's
            "upper_bound"), ``shorter`` so that the shorter side is at least that
            ("lower_bound"), ``minimal`` takes the one of the two that changes the image's size
            least (DPT's), ``exact`` stretches to ``fixed_hw``.
        multiple: both sides are rounded to multiples of this.
        fixed_hw: (height, width) where the network takes one size only; set exactly when
            ``fit`` is ``exact``.
        mean, std: per channel, RGB, for values in [0, 1]; 0 and 1 where the network normalizes
            by itself.
        kind: what the output means.
        depth_output: name of the output; None takes the first.
        walkable_output, stairs_output, drop_output, log_sigma_output: the same; None where the
            network has none.
    """

    size_px: int = 256
    fit: Fit = "longer"
    multiple: int = 32
    fixed_hw: tuple[int, int] | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    kind: DepthKind = DepthKind.RELATIVE_INVERSE
    depth_output: str | None = None
    walkable_output: str | None = None
    stairs_output: str | None = None
    drop_output: str | None = None
    log_sigma_output: str | None = None


BUILTIN_CONTRACT = InputContract(depth_output="inverse_depth", walkable_output="walkable")
