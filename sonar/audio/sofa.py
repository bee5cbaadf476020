"""A head's impulse responses from a SOFA file (AES69), checked before anybody walks by them.

Read by ``sofar``, from the extra ``hrtf``; a SOFA file is netCDF, plain numbers.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.audio.head import PLACES, SIDE_DEG, Head, pan_of
from sonar.audio.speech.clips import resample
from sonar.audio.synthesis.synth import HARMONICS, timbre
from sonar.errors import ConfigError, MissingExtraError

Responses = NDArray[np.float64]  # (directions, 2, samples)

LONGEST_S = 0.0106  # 512 samples at 48 kHz; a head is shorter, a room is not
_MOST_BYTES = 500_000_000
_LARGEST_GAP_DEG = 15.0  # from a wanted direction to the nearest measured one
_BEFORE_S = 0.0003  # kept before the first onset
_FADE_S = 0.0005  # at the end
_ROOM_SHARE = 0.01  # of the energy after LONGEST_S: more is a room
_QUIET_SHARE = 1e-6  # of the energy that may be cut off to save work
_LEAST_LEVEL_DB = 1.0  # the near ear is louder by at least this, in any head
_LARGEST_DELAY_S = 0.002  # between the ears; a head's is 0.7 ms


def load_head(path: str, rate_hz: int) -> Head:
    """The filters of the head in the file at ``path``, at ``rate_hz``.

    For each of sonar's directions the nearest measured one is taken, on ear level, all at the
    same power: loudness says how near, not from where. The time until the first ear hears
    anything is cut off, the same for all, so that a danger is not late and the time between the
    ears stays.

    Raises:
        MissingExtraError: ``sofar`` is not installed.
        ConfigError: the file cannot be read, is of another kind, or its left is not left.
    """
    where = f"audio.hrtf {path}"
    sofa = _read(Path(path).expanduser(), where)
    responses, source_hz = _responses(sofa, where)
    responses = responses[_nearest(_directions(sofa, where), where)]
    _check_sides(responses, source_hz, where)
    filters = _filters(responses, source_hz, rate_hz, where)
    title = getattr(sofa, "GLOBAL_Title", "") or Path(path).name
    return Head(filters, str(title))


def _read(path: Path, where: str) -> Any:
    try:
        import sofar
    except ImportError as error:
        raise MissingExtraError("hrtf", where) from error
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}") from error
    if not path.is_file() or size > _MOST_BYTES:
        raise ConfigError(f"{where} is not a file of at most {_MOST_BYTES // 10**6} MB")
    try:
        return sofar.read_sofa(str(path), verify=False, verbose=False)
    except Exception as error:  # whatever a damaged file makes netCDF and sofar stumble over
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ConfigError(f"{where} cannot be read as a SOFA file: {reason}") from error


def _responses(sofa: Any, where: str) -> tuple[Responses, int]:
    convention = getattr(sofa, "GLOBAL_SOFAConventions", None)
    if convention != "SimpleFreeFieldHRIR":
        raise ConfigError(
            f"{where} holds {convention or 'no convention'}; it must be SimpleFreeFieldHRIR"
        )
    data = _numbers(sofa, "Data_IR", where)
    if data.ndim != 3 or data.shape[1] != 2 or data.shape[2] < 16:
        raise ConfigError(
            f"{where}: impulse responses of shape {data.shape} instead of (directions, 2, samples)"
        )
    if not np.square(data).sum(axis=2).all():
        raise ConfigError(f"{where}: an impulse response is silent")
    rate = _numbers(sofa, "Data_SamplingRate", where)
    unit = str(getattr(sofa, "Data_SamplingRate_Units", "hertz"))
    rate_hz = float(rate.flat[0]) if rate.size == 1 else math.nan
    if not 16_000 <= rate_hz <= 192_000 or rate_hz != round(rate_hz) or unit.lower() != "hertz":
        raise ConfigError(
            f"{where}: a sampling rate of {rate.ravel()[:3]} {unit} instead of 16000 to 192000 Hz"
        )
    return _delayed(data, _numbers(sofa, "Data_Delay", where), where), round(rate_hz)


def _delayed(data: Responses, delay: Responses, where: str) -> Responses:
    """Delays that are kept apart (samples, one row or one for each direction) put in."""
    delay = np.atleast_2d(delay)
    if delay.shape not in ((1, 2), (data.shape[0], 2)) or delay.min() < 0 or delay.max() > 10_000:
        raise ConfigError(f"{where}: delays that are not 0 to 10000 samples for each ear")
    whole = np.broadcast_to(np.rint(delay).astype(int), (data.shape[0], 2))
    whole = whole - whole.min()
    if not whole.any():
        return data
    out = np.zeros((*data.shape[:2], data.shape[2] + int(whole.max())))
    for direction, ears in enumerate(whole):
        for ear, samples in enumerate(ears):
            out[direction, ear, samples : samples + data.shape[2]] = data[direction, ear]
    return out


def _directions(sofa: Any, where: str) -> Responses:
    """Unit vectors ``(directions, 3)``: x ahead, y left, z up."""
    for name, wanted in (("ListenerView", (1, 0, 0)), ("ListenerUp", (0, 0, 1))):
        if not hasattr(sofa, name):
            continue
        kind = str(getattr(sofa, f"{name}_Type", "cartesian"))
        axis = _vectors(_numbers(sofa, name, where), kind, where)
        if np.abs(axis - wanted).max() > 1e-3:
            raise ConfigError(f"{where}: the head does not look along the x axis, z upwards")
    ears = np.atleast_3d(_numbers(sofa, "ReceiverPosition", where))
    if ears.shape[0] != 2 or not ears[0, 1].min() > ears[1, 1].max():
        raise ConfigError(f"{where}: its first ear is not the left one")
    position = _numbers(sofa, "SourcePosition", where)
    vectors = _vectors(position, str(getattr(sofa, "SourcePosition_Type", "")), where)
    if len(vectors) != len(np.atleast_3d(sofa.Data_IR)):
        raise ConfigError(f"{where}: {len(vectors)} directions for another number of responses")
    return vectors


def _vectors(position: Responses, kind: str, where: str) -> Responses:
    position = np.atleast_2d(position)
    if position.ndim != 2 or position.shape[1] != 3:
        raise ConfigError(f"{where}: a position is not three numbers")
    if kind == "spherical":
        azimuth, elevation = np.deg2rad(position[:, 0]), np.deg2rad(position[:, 1])
        flat = np.cos(elevation)
        return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], 1)
    if kind != "cartesian":
        raise ConfigError(f"{where}: positions are {kind or 'of no type'}, not spherical")
    length = np.linalg.norm(position, axis=1, keepdims=True)
    if not length.all():
        raise ConfigError(f"{where}: a position without a direction")
    return np.asarray(position / length)


def _nearest(vectors: Responses, where: str) -> NDArray[np.int64]:
    """For each place the index of the nearest measured direction on ear level."""
    angle = np.deg2rad([-SIDE_DEG * pan_of(place) for place in range(PLACES)])
    wanted = np.stack([np.cos(angle), np.sin(angle), np.zeros(PLACES)], 1)
    cosine = wanted @ vectors.T
    # of two that are equally near, the one nearer to the middle: the same on both sides
    nearest = (cosine - 1e-6 * np.abs(vectors[:, 1])).argmax(axis=1)
    gap_deg = np.rad2deg(np.arccos(np.clip(cosine.max(axis=1), -1.0, 1.0)))
    worst = int(gap_deg.argmax())
    if gap_deg[worst] > _LARGEST_GAP_DEG:
        raise ConfigError(
            f"{where} has no direction within {_LARGEST_GAP_DEG:g} degrees of azimuth "
            f"{-SIDE_DEG * pan_of(worst):g}"
        )
    return np.asarray(nearest)


def _check_sides(responses: Responses, rate_hz: int, where: str) -> None:
    """The near ear must be louder and earlier, left and right: else a walker is sent wrong."""
    for place, side, near in ((0, "left", 0), (PLACES - 1, "right", 1)):
        pair = responses[place]
        energy = np.square(pair).sum(axis=1)
        louder_db = 10.0 * math.log10(energy[near] / energy[1 - near])
        onset = [_onset(ear) for ear in pair]
        earlier_s = (onset[1 - near] - onset[near]) / rate_hz
        if louder_db < -_LEAST_LEVEL_DB and earlier_s < 0.0:
            raise ConfigError(f"{where}: left and right are exchanged")
        if louder_db < _LEAST_LEVEL_DB or not 0.0 < earlier_s <= _LARGEST_DELAY_S:
            raise ConfigError(
                f"{where} is not a head: what is on the {side} is {louder_db:.1f} dB louder and "
                f"{1000 * earlier_s:.2f} ms earlier in the {side} ear than in the other"
            )


def _onset(response: NDArray[np.float64]) -> int:
    """Where it first comes to a fifth of its peak."""
    size = np.abs(response)
    return int(np.flatnonzero(size >= 0.2 * size.max())[0])


def _filters(responses: Responses, source_hz: int, rate_hz: int, where: str) -> NDArray[np.float32]:
    found = _resampled(responses, source_hz, rate_hz)
    size = np.abs(found)
    loud = (size >= 0.01 * size.max()).any(axis=(0, 1))
    begin = max(0, int(np.flatnonzero(loud)[0]) - round(_BEFORE_S * rate_hz))
    found = found[:, :, begin:]
    longest = round(LONGEST_S * rate_hz) + 3
    energy = np.cumsum(np.square(found).sum(axis=1), axis=1)  # (places, samples)
    if longest < found.shape[2]:
        late = 1.0 - energy[:, longest - 1] / energy[:, -1]
        if late.max() > _ROOM_SHARE:
            raise ConfigError(
                f"{where} rings for longer than {1000 * LONGEST_S:.1f} ms: a room, not a head"
            )
        found, energy = found[:, :, :longest], energy[:, :longest]
    needed = np.flatnonzero((energy < (1.0 - _QUIET_SHARE) * energy[:, -1:]).any(axis=0))
    fade = round(_FADE_S * rate_hz)
    taps = min(found.shape[2], int(needed[-1]) + 1 + fade)
    found = found[:, :, :taps].copy()
    fade = min(fade, taps)
    found[:, :, taps - fade :] *= np.linspace(1.0, 0.0, fade)
    gain = np.array([1.0 / math.sqrt(_power(pair, rate_hz)) for pair in found])
    return np.asarray(found * gain[:, None, None], np.float32)


def _resampled(responses: Responses, source_hz: int, rate_hz: int) -> Responses:
    """All at once: one row of responses with silence between them, cut apart again."""
    if source_hz == rate_hz:
        return responses
    down = source_hz // math.gcd(source_hz, rate_hz)
    # the silence outlasts the resampler's filter, and each response begins on an output sample
    length = responses.shape[2]
    before = 4 * down if down >= 32 else 128 * down
    whole = -(-(before + length + before) // down) * down
    row = np.zeros((responses.shape[0] * 2, whole), np.float32)
    row[:, before : before + length] = responses.reshape(-1, length)
    out = resample(row.ravel(), source_hz, rate_hz).reshape(row.shape[0], -1)
    return out.reshape(responses.shape[0], 2, -1).astype(np.float64)


def _power(pair: Responses, rate_hz: int) -> float:
    """Both ears' power gain for sonar's own pulses, from 250 to 1000 Hz in sixths of an octave."""
    pitches = [250.0 * 2.0 ** (step / 6.0) for step in range(13)]
    orders = np.arange(1, HARMONICS + 1)
    frequency = np.concatenate([pitch * orders for pitch in pitches])
    weight = np.concatenate([np.square(timbre(pitch)) for pitch in pitches])
    time = np.arange(pair.shape[1]) / rate_hz
    response = np.abs(pair @ np.exp(-2j * np.pi * np.outer(time, frequency)))
    return float(np.square(response).sum(axis=0) @ weight / weight.sum())


def _numbers(sofa: Any, name: str, where: str) -> Responses:
    """A field as float64; finite, or ConfigError."""
    try:
        values = np.ma.filled(np.ma.asarray(getattr(sofa, name), dtype=np.float64), np.nan)
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"{where} has no usable {name}") from error
    if values.size == 0 or not np.isfinite(values).all():
        raise ConfigError(f"{where}: {name} holds what is not a finite number")
    return np.asarray(values)
