"""The camera's mount, and how depth becomes left, center and right."""

from typing import Annotated

from pydantic import Field, model_validator

from sonar.config._base import Degrees, Fraction, Metres, Positive, Seconds, Section


class MountConfig(Section):
    """Where the camera sits and how it looks. `sonar calibrate` writes this.

    Examples:
        >>> import sonar
        >>> mount = sonar.Mount(height_m=1.35, pitch_deg=12)
        >>> mount.height_m, mount.hfov_deg
        (1.35, None)
    """

    height_m: Metres | None = Field(
        None, description="camera above the ground; unknown = 1.4 assumed, no metres reported"
    )
    pitch_deg: Annotated[Degrees, Field(ge=-60, le=80)] | None = Field(
        None, description="downward tilt is positive; unknown = estimated"
    )
    roll_deg: Degrees | None = Field(
        None, description="positive = the camera's right side is lower; unknown = estimated"
    )
    angle_sigma_deg: Annotated[float, Field(ge=0.1, le=20)] = Field(
        1.5, description="how well pitch and roll are known (standard deviation)"
    )
    hfov_deg: Annotated[float, Field(gt=10, lt=170)] | None = Field(
        None, description="horizontal field of view; unknown = 62 assumed"
    )
    fx_px: Positive | None = Field(None, description="focal length; overrides hfov_deg")
    fy_px: Positive | None = Field(None, description="focal length, vertical")
    cx_px: Positive | None = Field(None, description="principal point, column")
    cy_px: Positive | None = Field(None, description="principal point, row")
    calibrated_width_px: Annotated[int, Field(gt=0)] | None = Field(
        None, description="picture width that fx_px.. belong to"
    )
    calibrated_height_px: Annotated[int, Field(gt=0)] | None = Field(
        None, description="picture height that fx_px.. belong to"
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
    """Upper edges of the bands, in metres; clear beyond ``far_m``."""

    stop_m: Metres = Field(0.6, description="stop nearer than this")
    close_m: Metres = Field(1.2, description="close nearer than this")
    near_m: Metres = Field(2.5, description="near nearer than this")
    far_m: Metres = Field(4.0, description="far nearer than this, clear beyond")

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
    corridor_width_m: Metres = Field(
        1.6, description="only what stands in this width ahead is in the way"
    )
    head_height_m: Metres = Field(2.0, description="what hangs higher is not in the way")
    bands: BandEdges = BandEdges()
    hysteresis: Fraction = Field(
        0.12, description="a band is left only when its edge is passed by this share"
    )
    dwell_s: Seconds = Field(
        0.25, description="a farther band must hold this long; a nearer one is taken sooner"
    )
