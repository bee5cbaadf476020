"""Which files of a measured head are taken, and what is said of the others."""

import sys

import numpy as np
import pytest
from hearing import (
    AUDIO,
    RATE,
    SPEECH,
    pulse,
    render,
)
from measured_head import netCDF4, sofar, with_head, write
from test_space_and_silence import lead_us

from sonar.audio.synthesis.mixer import Mixer
from sonar.errors import ConfigError, MissingExtraError


def edited(sphere, tmp_path, change):
    path = tmp_path / "edited.sofa"
    path.write_bytes(sphere.read_bytes())
    with netCDF4.Dataset(str(path), "r+") as file:
        change(file)
    return path


def _nan(file):
    file["Data.IR"][3, 1, 7] = np.nan


def _silent(file):
    file["Data.IR"][3, 1, :] = 0.0


def _convention(file):
    file.SOFAConventions = "SimpleFreeFieldHRTF"


def _slow(file):
    file["Data.SamplingRate"][:] = 4000.0


def _kilohertz(file):
    file["Data.SamplingRate"].Units = "kilohertz"


def _turned(file):
    file["ListenerView"][:] = [[-1.0, 0.0, 0.0]]


def _right_ear_first(file):
    file["ReceiverPosition"][1, 1, 0] = 0.09
    file["ReceiverPosition"][0, 1, 0] = -0.09


def _no_left(file):
    file["SourcePosition"][:, 0] = 300.0 + np.arange(72) / 2


def _no_head(file):
    file["Data.IR"][:] = np.repeat(file["Data.IR"][:, :1, :], 2, axis=1)


def _late(file):
    file["Data.Delay"][:] = [[-1.0, 0.0]]


def _polar(file):
    file["SourcePosition"].Type = "polar"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_nan, "Data_IR holds what is not a finite number"),
        (_silent, "an impulse response is silent"),
        (_convention, "holds SimpleFreeFieldHRTF; it must be SimpleFreeFieldHRIR"),
        (_slow, "a sampling rate of"),
        (_kilohertz, "kilohertz instead of"),
        (_turned, "does not look along the x axis"),
        (_right_ear_first, "its first ear is not the left one"),
        (_no_left, "has no direction within 15 degrees of azimuth 90"),
        (_no_head, "is not a head: what is on the left is 0.0 dB louder"),
        (_late, "delays that are not"),
        (_polar, "positions are polar"),
    ],
)
def test_a_file_that_would_mislead_is_refused_in_one_sentence(sphere, tmp_path, change, says):
    path = edited(sphere, tmp_path, change)
    with pytest.raises(ConfigError) as caught:
        Mixer(with_head(path), SPEECH)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"audio.hrtf {path}")
    assert "\n" not in str(caught.value)


def test_exchanged_ears_are_called_so(tmp_path):
    path = write(tmp_path / "exchanged.sofa", exchange=True)
    with pytest.raises(ConfigError, match="left and right are exchanged"):
        Mixer(with_head(path), SPEECH)


def test_a_room_is_no_head(sphere, tmp_path):
    sofa = sofar.read_sofa(str(sphere), verbose=False)
    tail = np.random.default_rng(1).normal(0, 0.02, (72, 2, 4800))
    sofa.Data_IR = np.concatenate([sofa.Data_IR, tail], axis=2)
    sofar.write_sofa(str(tmp_path / "room.sofa"), sofa)
    with pytest.raises(ConfigError, match="a room, not a head"):
        Mixer(with_head(tmp_path / "room.sofa"), SPEECH)


def test_three_ears_are_refused(tmp_path):
    sofa = sofar.Sofa("GeneralFIR")
    sofa.Data_IR = np.ones((2, 3, 64))
    sofa.Data_Delay = np.zeros((1, 3))
    sofa.ReceiverPosition = np.zeros((3, 3))
    sofa.SourcePosition = np.ones((2, 3))
    path = tmp_path / "three.sofa"
    sofar.write_sofa(str(path), sofa)
    with netCDF4.Dataset(str(path), "r+") as file:
        file.SOFAConventions = "SimpleFreeFieldHRIR"
    with pytest.raises(ConfigError, match=r"\(2, 3, 64\) instead of"):
        Mixer(with_head(path), SPEECH)


@pytest.mark.parametrize("what", ["missing", "folder", "text", "cut off", "empty"])
def test_what_is_no_sofa_file_is_told_in_one_sentence(sphere, tmp_path, what):
    path = tmp_path / f"{what}.sofa"
    if what == "folder":
        path.mkdir()
    elif what != "missing":
        whole = sphere.read_bytes()
        path.write_bytes({"text": b"hello\n" * 100, "cut off": whole[:9000], "empty": b""}[what])
    with pytest.raises(ConfigError) as caught:
        Mixer(with_head(path), SPEECH)
    assert str(caught.value).startswith(f"audio.hrtf {path}")
    assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named_with_its_command(sphere, monkeypatch):
    monkeypatch.setitem(sys.modules, "sofar", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sonar-assist\[hrtf\]'"):
        Mixer(with_head(sphere), SPEECH)


def test_without_a_head_nothing_of_it_is_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "sofar", None)
    Mixer(AUDIO, SPEECH)


def test_separate_delays_count(sphere, tmp_path):
    """Thirty samples later in the right ear: what was in the middle moves to the left."""

    def later(file):
        file["Data.Delay"][:] = [[0.0, 10.0]]

    mixers = [Mixer(with_head(path), SPEECH) for path in (sphere, edited(sphere, tmp_path, later))]
    leads = []
    for mixer in mixers:
        mixer.post(pulse())
        leads.append(lead_us(render(mixer, 0.5)))
    assert leads[1] - leads[0] == pytest.approx(10e6 / RATE, abs=6.0)
