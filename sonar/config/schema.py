"""Every setting: name, unit, range, default and meaning.

A setting exists where two users want different values; everything else is a constant beside the
code that uses it.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sonar.types import DepthKind


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values are frozen.

    Every field states its unit in its name and its range in its bounds; the description is the
    reference that users read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0.05, le=3600.0, allow_inf_nan=False)]  # 0 would not wait
Meters = Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)]
Degrees = Annotated[float, Field(ge=-180.0, le=180.0, allow_inf_nan=False)]
Decibels = Annotated[float, Field(ge=-90.0, le=12.0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
Side = Annotated[int, Field(ge=16, le=4096)]


class CaptureConfig(Section):
    """Cameras, streams and recordings."""

    width_px: Annotated[int, Field(ge=16, le=7680)] = Field(
        640, description="width asked of a camera"
    )
    height_px: Annotated[int, Field(ge=16, le=4320)] = Field(
        480, description="height asked of a camera"
    )
    rate_hz: Positive = Field(30.0, description="frame rate asked of a camera")
    raw_rate_hz: Positive = Field(
        25.0, description="frame rate of a raw recording (.mjpeg, .h264) that states none"
    )
    open_timeout_s: Seconds = Field(10.0, description="longest wait for a camera or stream to open")
    max_frame_age_s: Seconds = Field(
        0.5, description="an older frame is stale: the zones become unknown"
    )


class EngineConfig(Section):
    """The depth network."""

    model: str = Field("builtin", description="name in `sonar models list`, or a path to an .onnx")
    backend: Literal["auto", "onnx", "openvino", "native", "torch"] = Field(
        "onnx", description="auto measures what is installed once and takes the fastest"
    )
    precision: Literal["auto", "fp32", "int8"] = Field(
        "auto", description="auto takes what was measured faster and is close enough to fp32"
    )
    threads: Annotated[int, Field(ge=0, le=256)] = Field(
        0, description="0 = physical cores, leaving one for capture and audio where there are >= 4"
    )


class MountConfig(Section):
    """Where the camera sits and how it looks. `sonar calibrate` writes this.

    Examples:
        >>> import sonar
        >>> mount = sonar.Mount(height_m=1.35, pitch_deg=12)
        >>> mount.height_m, mount.hfov_deg
        (1.35, None)
    """

    height_m: Meters | None = Field(
        None, description="camera above the ground; null = 1.4 assumed, no meters reported"
    )
    pitch_deg: Annotated[Degrees, Field(ge=-60, le=80)] | None = Field(
        None, description="downward tilt is positive; null = estimated"
    )
    roll_deg: Degrees | None = Field(
        None, description="positive = the camera's right side is lower; null = estimated"
    )
    angle_sigma_deg: Annotated[float, Field(ge=0.1, le=20)] = Field(
        1.5, description="uncertainty of pitch and roll (standard deviation)"
    )
    hfov_deg: Annotated[float, Field(gt=10, lt=170)] | None = Field(
        None, description="horizontal field of view; null = 62 assumed"
    )
    fx_px: Positive | None = Field(None, description="focal length; overrides hfov_deg")
    fy_px: Positive | None = Field(None, description="focal length, vertical")
    cx_px: Positive | None = Field(None, description="principal point, column")
    cy_px: Positive | None = Field(None, description="principal point, row")
    calibrated_width_px: Annotated[int, Field(gt=0)] | None = Field(
        None, description="frame width that fx_px and the others belong to"
    )
    calibrated_height_px: Annotated[int, Field(gt=0)] | None = Field(
        None, description="frame height that fx_px and the others belong to"
    )
    distortion: tuple[float, ...] = Field(
        (), description="k1 k2 p1 p2 [k3], OpenCV's order; empty = none"
    )

    @model_validator(mode="after")
    def _complete(self) -> "MountConfig":
        sizes = (self.calibrated_width_px, self.calibrated_height_px)
        if (sizes[0] is None) != (sizes[1] is None):
            raise ValueError("calibrated_width_px and calibrated_height_px go together")
        if self.fx_px is None and any((self.fy_px, self.cx_px, self.cy_px, *sizes)):
            raise ValueError("fy_px, cx_px, cy_px and the calibrated size go with fx_px")
        return self


class BandEdges(Section):
    """Upper edges of the bands, in meters; clear beyond ``far_m``."""

    stop_m: Meters = Field(0.6, description="stop nearer than this")
    close_m: Meters = Field(1.2, description="close nearer than this")
    near_m: Meters = Field(2.5, description="near nearer than this")
    far_m: Meters = Field(4.0, description="far nearer than this, clear beyond")

    @model_validator(mode="after")
    def _ascending(self) -> "BandEdges":
        edges = (self.stop_m, self.close_m, self.near_m, self.far_m)
        if list(edges) != sorted(set(edges)):
            raise ValueError("band edges must ascend: stop_m < close_m < near_m < far_m")
        return self


class ZonesConfig(Section):
    """Left, center and right."""

    center_width_deg: Annotated[float, Field(gt=0, lt=120)] = Field(
        20.0, description="width of the center zone, in viewing angle"
    )
    corridor_width_m: Meters = Field(
        1.6, description="only obstacles within this width ahead are reported"
    )
    head_height_m: Meters = Field(2.0, description="obstacles that hang higher are left out")
    bands: BandEdges = BandEdges()


class AudioConfig(Section):
    """Tones."""

    output: Literal["auto", "device", "null"] = Field(
        "auto", description="auto takes the sound card, or none, with a note, where there is none"
    )
    device: str | None = Field(
        None, description="part of an output device's name (see `sonar devices`); null = default"
    )
    rate_hz: Literal[44100, 48000] = Field(48000, description="sample rate")
    scheme: Literal["pulse", "continuous", "scan", "quiet"] = Field(
        "pulse",
        description="pulse = faster is nearer; continuous = one tone, higher is nearer; "
        "scan = the frame from left to right once a second, louder is nearer; "
        "quiet = speech and danger only",
    )
    volume_db: Decibels = Field(-6.0, description="gain of everything")
    swap_sides: bool = Field(False, description="exchange left and right")
    mono: bool = Field(
        False,
        description="for one ear: both channels alike, a pulse falls in pitch for left, rises for "
        "right",
    )
    pan_db: Annotated[float, Field(ge=6, le=60)] = Field(
        30.0, description="level difference between the ears for a sound fully to one side"
    )
    itd_us: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0,
        description="how much later a sound fully to one side reaches the other ear; 0 = off, "
        "650 is natural with headphones and useless with bone conduction",
    )


class SpeechConfig(Section):
    """Spoken warnings (espeak-ng through pyttsx3)."""

    enabled: bool = Field(True, description="false = tones only")
    language: str = Field("en", description="catalogue: en, zh, or a path to a YAML file")
    voice: str | None = Field(None, description="espeak-ng voice; null = the catalogue's")
    rate_wpm: Annotated[int, Field(ge=80, le=450)] = Field(190, description="speed")
    verbosity: Literal["danger", "normal", "chatty"] = Field(
        "normal", description="how much is spoken: dangers only, obstacles too, or all changes"
    )


class ControlsConfig(Section):
    """Commands while guiding: keys, buttons, and `sonar control`."""

    socket: bool = Field(True, description="listen for `sonar control`, for this user only")
    buttons: str | None = Field(
        "auto",
        description="auto = headset media keys and GPIO buttons, never keyboards one types on; or "
        "a path pattern (/dev/input/by-id/*Headset*), or part of a device's name; null = none",
    )
    picture: bool = Field(
        False,
        description="true = `sonar web` of this user may show what the camera sees; it shows "
        "people who did not ask for it",
    )


class ReplayConfig(Section):
    """Recordings."""

    max_width_px: Annotated[int, Field(ge=160, le=3840)] = Field(
        960, description="width of the annotated video at most"
    )


class GovernorConfig(Section):
    """Fewer frames a second to save power and heat."""

    enabled: bool = Field(False, description="false = every frame that can be kept up with")


class RecordingConfig(Section):
    """The last two minutes, kept after a danger or on command. It shows people near you: off
    unless you turn it on; nothing leaves the machine."""

    enabled: bool = Field(False, description="true = record what the camera sees, in a ring")
    folder: str | None = Field(None, description="where; null = the user's state folder")
    max_mb: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        500, description="space for ring and kept recordings, megabytes; the oldest goes first"
    )


class ServiceConfig(Section):
    """Running unattended: `sonar service`, `sonar run --headless`."""

    alarm_device: str | None = Field(
        None, description="ALSA device of the failure sound (`aplay -L`); null = the system's"
    )
    inference_timeout_s: Annotated[float, Field(ge=0.2, le=60.0, allow_inf_nan=False)] = Field(
        0.5,
        description="longest time for one frame's depth, unknown beyond it; after four times this "
        "the network is restarted",
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


class WebConfig(Section):
    """`sonar web`: photos, videos and a running sonar in a browser."""

    host: str = Field(
        "127.0.0.1", description="address; any but loopback lets others in, with a password"
    )
    password_file: str | None = Field(
        None,
        description="file with the password that browsers must give (16 characters or more); "
        "null = none on loopback, elsewhere a new one each time, which is printed",
    )
    port: Port = Field(7860, description="TCP port")


ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Mean = Annotated[float, Field(ge=-10.0, le=10.0)]
_Deviation = Annotated[float, Field(gt=0.0, le=100.0)]


class ModelConfig(Section):
    """One ONNX depth model: one float32 image in, shape (1, 3, H, W), RGB. An example of such an
    entry is in docs/models.md."""

    what: str = Field("described in the configuration", description="one line for people")
    path: Path | None = Field(None, description="the file, used where it lies")
    url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="where `sonar models fetch` gets it"
    )
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="of the file; null = nothing proves that the file is the right one"
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
    mean: tuple[_Mean, _Mean, _Mean] = Field(
        (0.485, 0.456, 0.406), description="subtracted, R G B, from values in 0..1"
    )
    std: tuple[_Deviation, _Deviation, _Deviation] = Field(
        (0.229, 0.224, 0.225), description="then divided by this"
    )
    kind: DepthKind = Field(
        DepthKind.RELATIVE_INVERSE, description="relative_inverse (larger is nearer) or metric"
    )
    depth_output: str | None = Field(None, description="name of the output; null = the first")
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


class SonarConfig(Section):
    """Everything that can be set."""

    capture: CaptureConfig = CaptureConfig()
    engine: EngineConfig = EngineConfig()
    mount: MountConfig = MountConfig()
    zones: ZonesConfig = ZonesConfig()
    audio: AudioConfig = AudioConfig()
    speech: SpeechConfig = SpeechConfig()
    controls: ControlsConfig = ControlsConfig()
    replay: ReplayConfig = ReplayConfig()
    service: ServiceConfig = ServiceConfig()
    web: WebConfig = WebConfig()
    models: dict[ModelName, ModelConfig] = Field(
        default_factory=dict, description="ONNX depth models of your own, by name"
    )
