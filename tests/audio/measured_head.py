"""A spherical head with known times and levels, as a SOFA file. Needs the extra hrtf."""

import numpy as np
import pytest
from hearing import (
    AUDIO,
    RATE,
)

sofar = pytest.importorskip("sofar", reason="needs the extra hrtf")
netCDF4 = pytest.importorskip("netCDF4", reason="comes with the extra hrtf")
RADIUS_M, SOUND_M_S = 0.0875, 343.0


def ear_delay_s(azimuth_deg, ear_deg):
    """Woodworth's sphere: from the head's center to the ear, a source far away."""
    angle = np.abs((azimuth_deg - ear_deg + 180.0) % 360.0 - 180.0) * np.pi / 180.0
    if angle <= np.pi / 2:
        return -RADIUS_M / SOUND_M_S * np.cos(angle)
    return RADIUS_M / SOUND_M_S * (angle - np.pi / 2)


def sphere_hrir(azimuth_deg, rate_hz, samples=256):
    """(2, samples): a delayed, windowed sinc for each ear, softer behind the head."""
    pair = []
    for ear_deg in (90.0, -90.0):
        delay_s = 0.002 + ear_delay_s(azimuth_deg, ear_deg)
        angle = np.deg2rad(azimuth_deg - ear_deg)
        gain = 10 ** (6.0 * np.cos(angle) / 20)  # 12 dB between the ears at the side
        t = np.arange(samples) - delay_s * rate_hz
        pair.append(gain * 0.8 * np.sinc(0.8 * t) * np.exp(-((t / 40.0) ** 2)))
    return np.array(pair)


def write(path, rate_hz=RATE, step_deg=5, convention="SimpleFreeFieldHRIR", exchange=False):
    azimuths = np.arange(0.0, 360.0, step_deg)
    sofa = sofar.Sofa(convention)
    data = np.array([sphere_hrir(azimuth, rate_hz) for azimuth in azimuths])
    sofa.Data_IR = data[:, ::-1] if exchange else data
    sofa.Data_SamplingRate = rate_hz
    sofa.SourcePosition = np.stack(
        [azimuths, np.zeros_like(azimuths), np.full_like(azimuths, 1.5)], axis=1
    )
    sofar.write_sofa(str(path), sofa)
    return path


def with_head(path, **more):
    return AUDIO.model_copy(update={"hrtf": str(path), **more})
