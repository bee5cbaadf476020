"""From cues to samples."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sonar.api.engine import Settings, configured
from sonar.ports import Speaker
from sonar.types import Cue

HOLD_S = 0.1  # a cue is handed over again as often, as it is for each frame of a slow camera


def render(
    cues: Iterable[Cue],
    rate_hz: int = 48_000,
    *,
    last_s: float = 1.0,
    speaker: Speaker | None = None,
    settings: Settings | None = None,
) -> NDArray[np.float32]:
    """What would be heard: each cue from its time ``t`` until the next one.

    Args:
        cues: in order of ``t`` (seconds); those of a recording's steps, or your own.
        rate_hz: samples per second, 44100 or 48000.
        last_s: seconds for which the last cue is heard.
        speaker: where phrases come from; None for tones only.
        settings: settings by dotted name, such as ``{"audio.mono": True}``.

    Returns:
        float32 array of shape ``(n, 2)``, left and right, within [-1, 1]; empty without cues.

    Raises:
        ConfigError: a setting is wrong.
        ValueError: an earcon that does not exist, or times that decrease.

    Examples:
        >>> import numpy as np, sonar
        >>> left = sonar.Cue(sonar.CueKind.PULSE, pan=-1.0, rate_hz=4.0, pitch_hz=800.0)
        >>> samples = sonar.render([left], rate_hz=48_000)
        >>> samples.shape, samples.dtype
        ((48000, 2), dtype('float32'))
        >>> loud = np.abs(samples).max(axis=0)
        >>> bool(loud[0] > 5 * loud[1])
        True
    """
    from sonar.audio.synthesis import Mixer

    given = list(cues)
    if not given:
        return np.zeros((0, 2), np.float32)
    if any(after.t < before.t for before, after in pairwise(given)):
        raise ValueError("the times of cues must not decrease")
    config = configured(None, None, {**(settings or {}), "audio.rate_hz": rate_hz})
    mixer = Mixer(config.audio, config.speech, speaker)
    begin = given[0].t
    ends = [cue.t - begin for cue in given[1:]] + [given[-1].t - begin + last_s]
    out = np.zeros((round(ends[-1] * rate_hz), 2), np.float32)
    for cue, end in zip(given, ends, strict=True):
        mixer.post(cue)
        again = replace(cue, phrase=None)  # a phrase is spoken once
        last = round(end * rate_hz)
        while mixer.rendered < last:
            count = min(last - mixer.rendered, round(HOLD_S * rate_hz))
            mixer.render(out[mixer.rendered : mixer.rendered + count])
            mixer.post(again)
    return out
