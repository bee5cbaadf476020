"""Where frames come from and how long to wait for them."""

from typing import Annotated

from pydantic import Field, model_validator

from sonar.config._base import Positive, Seconds, Section, Wait


class CaptureConfig(Section):
    """Cameras, streams and recordings."""

    width_px: Annotated[int, Field(ge=16, le=7680)] = Field(
        640, description="width asked of a camera"
    )
    height_px: Annotated[int, Field(ge=16, le=4320)] = Field(
        480, description="height asked of a camera"
    )
    rate_hz: Positive = Field(30.0, description="frame rate asked of a camera")
    image_rate_hz: Positive = Field(1.0, description="frames a second given to a folder of images")
    raw_rate_hz: Positive = Field(
        25.0, description="frames a second of a raw recording (.mjpeg, .h264) that states none"
    )
    read_timeout_s: Wait = Field(
        0.5, description="longest wait for a frame of a live source before it counts as missing"
    )
    open_timeout_s: Wait = Field(10.0, description="longest wait for a camera or stream to open")
    silence_s: Annotated[Seconds, Field(ge=0.1)] = Field(
        3.0, description="a live source that is silent for this long is given up and reopened"
    )
    max_frame_age_s: Wait = Field(
        0.5, description="an older frame is stale: the zones become unknown"
    )
    reconnect_first_s: Wait = Field(0.5, description="first pause before reconnecting")
    reconnect_max_s: Wait = Field(10.0, description="longest pause between reconnects")
    reconnect_attempts: Annotated[int, Field(ge=0)] = Field(
        0, description="give up after this many failed reconnects in a row; 0 = never"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "CaptureConfig":
        if self.reconnect_first_s > self.reconnect_max_s:
            raise ValueError("reconnect_first_s must be at most reconnect_max_s")
        return self
