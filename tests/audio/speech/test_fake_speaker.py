"""The fake is as good as its word: other tests measure by it."""

import numpy as np

from sonar.audio.cues.phrases import PHRASES
from sonar.testing.speech import FakeSpeaker


def test_each_phrase_is_its_own_tone() -> None:
    speaker = FakeSpeaker(rate_hz=48_000, length_s={"stop": 1.0}, level=0.25)
    for key in ("stop", "drop"):
        clip = speaker.get(key)
        assert clip is not None and clip.dtype == np.float32
        assert clip.size == (48_000 if key == "stop" else 24_000)
        spectrum = np.abs(np.fft.rfft(clip * np.hanning(clip.size)))
        assert abs(np.argmax(spectrum) * 48_000 / clip.size - FakeSpeaker.pitch_hz(key)) <= 2
        assert 0.24 < np.abs(clip).max() <= 0.25
    assert len({FakeSpeaker.pitch_hz(key) for key in PHRASES}) == len(PHRASES)
    assert max(FakeSpeaker.pitch_hz(key) for key in PHRASES) < 5000


def test_what_is_missing_is_not_there() -> None:
    speaker = FakeSpeaker(missing=["stop"])
    assert speaker.get("stop") is None and speaker.get("nonsense") is None
    assert speaker.get("drop") is not None
    assert speaker.asked == ["stop", "nonsense", "drop"]
    assert not speaker.prepare(0.0) and FakeSpeaker().prepare(0.0)
    speaker.close()
    assert speaker.closed
