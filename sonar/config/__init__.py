"""Every setting: name, unit, range, default and meaning; :mod:`sonar.config.load` reads them.

A setting exists where two users want different values; everything else is a constant beside the
code that uses it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sonar.types import DepthKind


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values are frozen.

    Every field states its unit in its name; its description is the reference that users read.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _may_be_empty(cls, value: Any) -> Any:
        """A section whose keys are all commented out reads as null."""
        return {} if value is None else value


def _key(default: Any, meaning: str, **limits: Any) -> Any:
    return Field(default, description=meaning, **limits)


_SECONDS = {"ge": 0.05, "le": 3600.0}  # 0 would not wait
_METERS = {"gt": 0.0, "le": 100.0}
_SIDE = {"ge": 16, "le": 4096}


class CaptureConfig(Section):
    """Cameras, streams and recordings."""

    width_px: int = _key(640, "width asked of a camera", ge=16, le=7680)
    height_px: int = _key(480, "height asked of a camera", ge=16, le=4320)
    rate_hz: float = _key(30.0, "frame rate asked of a camera", gt=0)
    raw_rate_hz: float = _key(25.0, "of a raw recording (.mjpeg, .h264) that states none", gt=0)
    open_timeout_s: float = _key(10.0, "longest wait for a camera or stream to open", **_SECONDS)
    max_frame_age_s: float = _key(0.5, "an older frame is stale: zones are unknown", **_SECONDS)


class EngineConfig(Section):
    """The depth network."""

    model: str = _key("builtin", "name in `sonar models list`, or a path to an .onnx")
    backend: Literal["auto", "onnx", "openvino", "torch"] = _key(
        "onnx", "auto = the fastest of what is installed, by measurement"
    )
    precision: Literal["auto", "fp32", "int8"] = _key("auto", "auto = int8 where close and faster")
    threads: int = _key(0, "0 = physical cores, less one where there are 4 or more", ge=0, le=256)


class MountConfig(Section):
    """Where the camera sits and how it looks. `sonar calibrate` writes this.

    Raises ValueError (pydantic's) for a value that is not allowed.

    Examples:
        >>> import sonar
        >>> mount = sonar.Mount(height_m=1.35, pitch_deg=12)
        >>> mount.height_m, mount.hfov_deg
        (1.35, None)
    """

    height_m: float | None = _key(None, "above the ground; null = 1.4, no meters", **_METERS)
    pitch_deg: float | None = _key(None, "positive = down; null = estimated", ge=-60, le=80)
    roll_deg: float | None = _key(None, "positive = right lower; null = estimated", ge=-180, le=180)
    angle_sigma_deg: float = _key(1.5, "standard deviation of pitch and roll", ge=0.1, le=20)
    hfov_deg: float | None = _key(None, "horizontal field of view; null = 62", gt=10, lt=170)
    fx_px: float | None = _key(None, "focal length; overrides hfov_deg", gt=0)
    fy_px: float | None = _key(None, "focal length, vertical", gt=0)
    cx_px: float | None = _key(None, "principal point, column", gt=0)
    cy_px: float | None = _key(None, "principal point, row", gt=0)
    calibrated_width_px: int | None = _key(None, "frame width that fx_px is for", gt=0)
    calibrated_height_px: int | None = _key(None, "frame height that fx_px is for", gt=0)
    distortion: tuple[float, ...] = _key((), "k1 k2 p1 p2 [k3], OpenCV's order; empty = none")

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

    stop_m: float = _key(0.6, "stop nearer than this", **_METERS)
    close_m: float = _key(1.2, "close nearer than this", **_METERS)
    near_m: float = _key(2.5, "near nearer than this", **_METERS)
    far_m: float = _key(4.0, "far nearer than this, clear beyond", **_METERS)

    @model_validator(mode="after")
    def _ascending(self) -> "BandEdges":
        if not self.stop_m < self.close_m < self.near_m < self.far_m:
            raise ValueError("band edges must ascend: stop_m < close_m < near_m < far_m")
        return self


class ZonesConfig(Section):
    """Left, center and right."""

    center_width_deg: float = _key(20.0, "viewing angle of the center zone", gt=0, lt=120)
    corridor_width_m: float = _key(1.6, "obstacles beside it are not reported", **_METERS)
    head_height_m: float = _key(2.0, "obstacles that hang higher are left out", **_METERS)
    bands: BandEdges = BandEdges()


_NULL_IS_A_WORD = BeforeValidator(lambda value: "null" if value is None else value)
_NUMBER_IF_ONE = BeforeValidator(lambda value: int(value) if str(value).isdecimal() else value)


class AudioConfig(Section):
    """Tones."""

    output: Annotated[Literal["auto", "device", "null"], _NULL_IS_A_WORD] = _key(
        "auto", "auto = the sound card, or none where there is none"
    )
    device: str | None = _key(None, "part of an output's name (`sonar devices`); null = default")
    rate_hz: Annotated[Literal[44100, 48000], _NUMBER_IF_ONE] = _key(48000, "sample rate")
    scheme: Literal["pulse", "continuous", "scan", "quiet"] = _key(
        "pulse",
        "pulse = faster is nearer; continuous = one tone, higher is nearer; "
        "scan = the frame from left to right once a second, louder is nearer; "
        "quiet = speech and danger only",
    )
    volume_db: float = _key(-6.0, "gain of everything", ge=-90, le=12)
    swap_sides: bool = _key(False, "exchange left and right")
    mono: bool = _key(False, "one ear: channels alike, a pulse falls for left, rises for right")
    pan_db: float = _key(30.0, "level difference of a sound fully to one side", ge=6, le=60)


class SpeechConfig(Section):
    """Spoken warnings (espeak-ng through pyttsx3)."""

    enabled: bool = _key(True, "false = tones only")
    language: str = _key("en", "catalogue: en, zh, or a path to a YAML file")
    voice: str | None = _key(None, "espeak-ng voice; null = the catalogue's")
    rate_wpm: int = _key(190, "speed", ge=80, le=450)
    verbosity: Literal["danger", "normal", "chatty"] = _key(
        "normal", "dangers only, obstacles too, or all changes"
    )


class ControlsConfig(Section):
    """Commands while guiding: keys, buttons, and `sonar control`."""

    buttons: str | None = _key(
        "auto",
        "auto = headset media keys and GPIO buttons, never keyboards one types on; or "
        "a path pattern (/dev/input/by-id/*Headset*), or part of a device's name; null = none",
    )
    picture: bool = _key(
        False, "true = `sonar web` of this user shows the camera's frames, and people in them"
    )


class ReplayConfig(Section):
    """Recordings."""

    max_width_px: int = _key(960, "width of the annotated video at most", ge=160, le=3840)


class GovernorConfig(Section):
    """Fewer frames a second to save power and heat."""

    enabled: bool = _key(False, "false = every frame that can be kept up with")


class RecordingConfig(Section):
    """The last two minutes, kept after a danger or on command. It shows people near you: off
    unless you turn it on; nothing leaves the machine."""

    enabled: bool = _key(False, "true = record what the camera sees, in a ring")
    folder: str | None = _key(None, "where; null = the user's state folder")
    max_mb: int = _key(500, "megabytes; the oldest recording goes first", ge=10, le=1_000_000)


class ServiceConfig(Section):
    """Running unattended: `sonar service`, `sonar run --headless`."""

    alarm_device: str | None = _key(None, "ALSA device of the alarm (`aplay -L`); null = default")
    inference_timeout_s: float = _key(
        0.5,
        "longest time for a frame's depth, then zones are unknown; after four times as long the "
        "guide is restarted",
        ge=0.2,
        le=60,
    )
    health_port: int = _key(
        8737, "/healthz and /metrics, for this machine only; 0 = off", ge=0, le=65535
    )
    governor: GovernorConfig = GovernorConfig()
    recording: RecordingConfig = RecordingConfig()


class WebConfig(Section):
    """`sonar web`: photos, videos and a running sonar in a browser."""

    host: str = _key("127.0.0.1", "any but loopback lets others in, with a password")
    password_file: str | None = _key(
        None,
        "file with the password, 16 characters or more; null = none on loopback, elsewhere a new "
        "one each time, which is printed",
    )
    port: int = _key(7860, "TCP port", ge=1, le=65535)


ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Mean = Annotated[float, Field(ge=-10.0, le=10.0)]
_Std = Annotated[float, Field(gt=0.0, le=100.0)]


class ModelConfig(Section):
    """One ONNX depth model: one float32 image in, shape (1, 3, H, W), RGB. An example of such an
    entry is in docs/models.md."""

    what: str = _key("described in the configuration", "one line for people")
    path: Path | None = _key(None, "the file, used where it lies")
    url: str | None = _key(None, "where `sonar models fetch` gets it", pattern=r"^https?://\S+$")
    sha256: str | None = _key(None, "of the file; null = unknown", pattern=r"^[0-9a-f]{64}$")
    size_bytes: int | None = _key(None, "of the file", gt=0)
    licence: str = _key("not stated", "shown in `sonar models list`")
    size_px: int = _key(256, "the side that fit speaks of", **_SIDE)
    fit: Literal["longer", "shorter", "minimal", "exact"] = _key(
        "longer",
        "longer: longer side at most size_px; shorter: shorter side at least size_px; "
        "minimal: whichever changes the size least; exact: stretched to height_px x width_px",
    )
    multiple: int = _key(32, "both sides are multiples of this", ge=1, le=256)
    height_px: int | None = _key(None, "with fit exact", **_SIDE)
    width_px: int | None = _key(None, "with fit exact", **_SIDE)
    mean: tuple[_Mean, _Mean, _Mean] = _key((0.485, 0.456, 0.406), "subtracted, R G B, from 0..1")
    std: tuple[_Std, _Std, _Std] = _key((0.229, 0.224, 0.225), "then divided by this")
    kind: DepthKind = _key(
        DepthKind.RELATIVE_INVERSE, "relative_inverse and per_camera_height = larger is nearer"
    )
    depth_output: str | None = _key(None, "name of the output; null = the first")
    walkable_output: str | None = _key(None, "output: probability of walkable ground")
    stairs_output: str | None = _key(None, "output: probability of stairs")
    drop_output: str | None = _key(None, "output: probability of lower ground")
    log_sigma_output: str | None = _key(None, "output: log of the uncertainty of log depth")

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
    models: Annotated[
        dict[ModelName, ModelConfig], BeforeValidator(lambda value: {} if value is None else value)
    ] = _key({}, "ONNX depth models of your own, by name")
