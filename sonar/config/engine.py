"""Which network, on which backend, with how many threads."""

from typing import Annotated, Literal

from pydantic import Field

from sonar.config._base import Fraction, Section


class EngineConfig(Section):
    """The depth engine."""

    model: str = Field("builtin", description="name in `sonar models list`, or a path to an .onnx")
    backend: Literal["auto", "onnx", "openvino", "native", "torch"] = Field(
        "onnx", description="auto measures what is installed once and takes the fastest"
    )
    precision: Literal["auto", "fp32", "int8"] = Field(
        "auto", description="auto takes what was measured faster within the tolerance"
    )
    threads: Annotated[int, Field(ge=0, le=256)] = Field(
        0, description="0 = physical cores, leaving one for capture and audio where there are >= 4"
    )
    tolerance: Fraction = Field(
        0.02, description="largest mean deviation from fp32, as a share of the output's range"
    )
