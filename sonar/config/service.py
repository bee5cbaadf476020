"""The service: supervision, health, power and heat, recording."""

from typing import Annotated

from pydantic import Field, model_validator

from sonar.config._base import Decibels, Hertz, Seconds, Section

Celsius = Annotated[float, Field(ge=0.0, le=150.0, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)]
Brief = Annotated[float, Field(ge=0.2, le=60.0, allow_inf_nan=False)]


class GovernorConfig(Section):
    """How many pictures a second are looked at, to save power and heat."""

    enabled: bool = Field(False, description="false = every picture that can be kept up with")
    min_rate_hz: Hertz = Field(8.0, description="never fewer pictures a second by choice")
    max_rate_hz: Hertz = Field(30.0, description="never more pictures a second")
    hot_c: Celsius = Field(75.0, description="from this temperature on, degrees C, fewer pictures")
    too_hot_c: Celsius = Field(
        85.0, description="at this temperature, degrees C, the fewest pictures, and it is said"
    )
    battery_low_percent: Percent = Field(20.0, description="below this it is said")
    battery_save_percent: Percent = Field(
        10.0, description="below this as few pictures as the scene allows"
    )
    eco_model: str | None = Field(
        None, description="a faster model to change to when hot or too slow; none = keep the model"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "GovernorConfig":
        if self.min_rate_hz > self.max_rate_hz:
            raise ValueError("min_rate_hz must be at most max_rate_hz")
        if self.hot_c >= self.too_hot_c:
            raise ValueError("hot_c must be below too_hot_c")
        if self.battery_save_percent > self.battery_low_percent:
            raise ValueError("battery_save_percent must be at most battery_low_percent")
        return self


class RecordingConfig(Section):
    """The last minutes, kept when something happened. Pictures of people near you: off unless
    you turn it on; nothing leaves the machine."""

    enabled: bool = Field(False, description="true = record what the camera sees, in a ring")
    folder: str | None = Field(None, description="where; none = the user's state folder")
    ring_s: Annotated[float, Field(ge=10.0, le=3600.0)] = Field(
        120.0, description="how much of the past is kept in the ring"
    )
    after_s: Annotated[float, Field(ge=0.0, le=600.0)] = Field(
        10.0, description="how much after the event is kept with it"
    )
    keep_on_danger: bool = Field(True, description="keep the ring when a danger was sounded")
    keep_again_s: Seconds = Field(60.0, description="not oftener than this on dangers")
    max_mb: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        500, description="space for ring and kept recordings, megabytes; the oldest goes first"
    )
    width_px: Annotated[int, Field(ge=64, le=1920)] = Field(480, description="width of pictures")
    rate_hz: Hertz = Field(10.0, description="pictures a second at most")


class ServiceConfig(Section):
    """Running unattended: `sonar service`, `sonar run --headless`."""

    alarm_after_s: Brief = Field(
        0.7, description="no frame and no sound for this long: the failure is sounded"
    )
    restart_after_s: Brief = Field(
        2.0, description="no frame and no sound for this long: the guide is ended and restarted"
    )
    start_timeout_s: Annotated[float, Field(ge=1.0, le=600.0)] = Field(
        20.0, description="longest wait for a guide that starts, its camera's opening aside"
    )
    restarts: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="more restarts than this within restart_window_s, and it gives up"
    )
    restart_window_s: Seconds = Field(60.0, description="window for restarts")
    missing_limit_s: Seconds = Field(
        600.0, description="give up when a camera or sound device was missing for so long"
    )
    alarm_volume_db: Annotated[Decibels, Field(le=0)] = Field(
        -6.0, description="level of the failure sound"
    )
    alarm_device: str | None = Field(
        None, description="ALSA device of the failure sound (`aplay -L`); none = the system's"
    )
    inference_timeout_s: Brief = Field(
        0.5,
        description="a depth network that takes longer is unknown; after four times this it hangs, "
        "and is restarted",
    )
    health_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8737, description="/healthz and /metrics; 0 = off"
    )
    health_host: str = Field("127.0.0.1", description="address; any but loopback needs a token")
    health_token_file: str | None = Field(
        None, description="file with the token that clients must send (16 characters or more)"
    )
    governor: GovernorConfig = GovernorConfig()
    recording: RecordingConfig = RecordingConfig()

    @model_validator(mode="after")
    def _ordered(self) -> "ServiceConfig":
        if self.alarm_after_s > self.restart_after_s:
            raise ValueError("alarm_after_s must be at most restart_after_s")
        return self
