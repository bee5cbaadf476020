"""What every section of the configuration shares."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values are frozen.

    Every field states its unit in its name and its range in its bounds; the description is the
    reference that users read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0.0, le=3600.0, allow_inf_nan=False)]
Wait = Annotated[float, Field(ge=0.05, le=3600.0, allow_inf_nan=False)]  # 0 would never wait
Metres = Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)]
Degrees = Annotated[float, Field(ge=-180.0, le=180.0, allow_inf_nan=False)]
Hertz = Annotated[float, Field(gt=0.0, le=20_000.0, allow_inf_nan=False)]
Decibels = Annotated[float, Field(ge=-90.0, le=30.0, allow_inf_nan=False)]
