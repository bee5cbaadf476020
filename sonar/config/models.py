"""ONNX depth models of your own: where the file is and how it wants to be fed.

Depth Anything V2 small, as an example (Apache-2.0; much slower than MiDaS small on a CPU)::

    models:
      depth_anything_v2_small:
        what: Depth Anything V2 small, onnx-community export
        url: https://huggingface.co/onnx-community/depth-anything-v2-small/resolve/4472b7362082ad9968fee890ca0f1e5aca36b93d/onnx/model.onnx
        sha256: afb6a5c28f3b6bf1618c6e43f02073ef9dfdc70e937502d51603e57b0a1df10c
        size_bytes: 99060839
        licence: Apache-2.0
        size_px: 518          # the authors' choice; 252 is about four times as fast
        fit: shorter
        multiple: 14
        mean: [0.485, 0.456, 0.406]
        std: [0.229, 0.224, 0.225]
        kind: relative_inverse
        depth_output: predicted_depth

Then ``sonar models fetch depth_anything_v2_small`` and ``engine.model: depth_anything_v2_small``.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sonar.config._base import Section
from sonar.types import DepthKind

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Side = Annotated[int, Field(ge=16, le=4096)]
Mean = Annotated[float, Field(ge=-10.0, le=10.0)]
Deviation = Annotated[float, Field(gt=0.0, le=100.0)]


class ModelConfig(Section):
    """One ONNX depth model: one float32 picture in, shape (1, 3, H, W), RGB."""

    what: str = Field("described in the configuration", description="one line for people")
    path: Path | None = Field(None, description="the file, used where it lies")
    url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="where `sonar models fetch` gets it"
    )
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="of the file; unknown = recorded at the first fetch, and said so"
    )
    size_bytes: Annotated[int, Field(gt=0)] | None = Field(None, description="of the file")
    licence: str = Field("not stated", description="shown in `sonar models list`")
    size_px: Side = Field(256, description="the side that fit speaks of")
    fit: Literal["longer", "shorter", "minimal", "exact"] = Field(
        "longer",
        description="longer: longer side at most size_px; shorter: shorter side at least "
        "size_px; minimal: whichever changes the size least; exact: stretched to "
        "height_px x width_px",
    )
    multiple: Annotated[int, Field(ge=1, le=256)] = Field(
        32, description="both sides are multiples of this"
    )
    height_px: Side | None = Field(None, description="with fit exact")
    width_px: Side | None = Field(None, description="with fit exact")
    mean: tuple[Mean, Mean, Mean] = Field(
        (0.485, 0.456, 0.406), description="subtracted, R G B, from values in 0..1"
    )
    std: tuple[Deviation, Deviation, Deviation] = Field(
        (0.229, 0.224, 0.225), description="then divided by this"
    )
    kind: DepthKind = Field(
        DepthKind.RELATIVE_INVERSE, description="relative_inverse (larger is nearer) or metric"
    )
    depth_output: str | None = Field(None, description="name of the output; none = the first")
    walkable_output: str | None = Field(
        None, description="output with the probability of walkable ground, if there is one"
    )
    stairs_output: str | None = Field(
        None, description="output with the probability of stairs, if there is one"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "ModelConfig":
        if (self.path is None) == (self.url is None):
            raise ValueError("a model needs either path or url")
        exact = self.height_px is not None and self.width_px is not None
        if (self.fit == "exact") != exact or (self.height_px is None) != (self.width_px is None):
            raise ValueError("height_px and width_px go with fit exact, and only with it")
        if self.size_px < self.multiple:
            raise ValueError("size_px must be at least multiple")
        return self
