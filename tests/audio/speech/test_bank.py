"""Whatever the synthesizer does, asking never waits and the loss is reported."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonar.audio.cues import PHRASES
from sonar.audio.speech import bank as speech
from sonar.audio.speech.bank import WORKER as WORKER_COMMAND
from sonar.audio.speech.bank import SpeechBank
from sonar.clock import SystemClock
from sonar.config import SpeechConfig
from sonar.errors import ConfigError
from sonar.types import Priority

pytestmark = pytest.mark.realtime

WORKER = Path(__file__).with_name("fake_worker.py")
RATE = 48_000
WAIT_S = 30.0
Make = Callable[..., SpeechBank]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def make(tmp_path: Path, log: Path) -> Iterator[Make]:
    banks = []

    def bank(*modes: str, timeout_s: float = 20.0, **changes: object) -> SpeechBank:
        cache = changes.pop("cache_dir", tmp_path / "cache")
        config = SpeechConfig(**changes)
        command = (sys.executable, "-S", str(WORKER), str(log), *modes)
        banks.append(
            SpeechBank(config, RATE, cache, SystemClock(), command=command, timeout_s=timeout_s)
        )
        return banks[-1]

    yield bank
    for one in banks:
        one.close()


def asked(log: Path) -> list[str]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [line for line in lines if line != "start"]


def starts(log: Path) -> int:
    return log.read_text().splitlines().count("start")


def test_every_phrase_is_rendered_trimmed_normalized_and_read_only(make: Make, log: Path) -> None:
    bank = make()
    assert bank.prepare(WAIT_S)
    assert bank.status == speech.SpeechStatus(len(PHRASES), len(PHRASES), done=True, lost=None)
    assert sorted(asked(log)) == sorted(bank.text(key) for key in PHRASES)
    for key in PHRASES:
        clip = bank.get(key)
        assert clip is not None and clip.dtype == np.float32 and clip.ndim == 1
        assert not clip.flags.writeable
        wanted_s = 0.05 + 10 * len(bank.text(key)) / 22050  # the silences around it are gone
        assert clip.size / RATE == pytest.approx(wanted_s, abs=0.045)
        assert np.abs(clip).max() <= 10 ** (-1 / 20)
        assert abs(clip[0]) < 1e-3 and abs(clip[-1]) < 1e-3


def test_dangers_are_rendered_first(make: Make, log: Path) -> None:
    bank = make()
    assert bank.prepare(WAIT_S)
    by_text = {bank.text(key): PHRASES[key].priority for key in PHRASES}
    order = [by_text[text] for text in asked(log)]
    assert order == sorted(order, reverse=True)
    assert order[0] is Priority.DANGER


def test_the_second_time_nothing_is_rendered(make: Make, log: Path) -> None:
    first = make()
    assert first.prepare(WAIT_S)
    rendered = len(asked(log))
    second = make()
    assert second.prepare(WAIT_S)
    assert len(asked(log)) == rendered == len(PHRASES)
    for key in PHRASES:
        one, other = first.get(key), second.get(key)
        assert one is not None and other is not None
        np.testing.assert_allclose(one, other, atol=2 / 32768)


@pytest.mark.parametrize("change", [{"rate_wpm": 250}, {"voice": "gmw/en-gb-scotland"}])
def test_another_voice_is_rendered_anew(make: Make, log: Path, change: dict[str, object]) -> None:
    assert make().prepare(WAIT_S)
    assert make(**change).prepare(WAIT_S)
    assert len(asked(log)) == 2 * len(PHRASES)


def test_without_a_synthesizer_the_cache_still_speaks(make: Make) -> None:
    assert make().prepare(WAIT_S)
    bank = make("fatal")
    assert bank.prepare(WAIT_S)
    assert bank.status.lost is None


def damage_truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def damage_flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(bytes(data))


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [damage_truncate, damage_flip, damage_empty])
def test_a_damaged_clip_is_never_played_but_rendered_again(
    make: Make, log: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    assert make().prepare(WAIT_S)
    before = len(asked(log))
    hurt = sorted((tmp_path / "cache").glob("*.clip"))[:3]
    for path in hurt:
        damage(path)
    assert make().prepare(WAIT_S)
    assert len(asked(log)) == before + len(hurt)
    assert make().prepare(WAIT_S)
    assert len(asked(log)) == before + len(hurt), "the repair was not kept"


@pytest.mark.parametrize("where", ["read_only", "a_file", "under_a_file", "not_a_path", "folders"])
def test_an_unusable_cache_costs_nothing_but_time(make: Make, tmp_path: Path, where: str) -> None:
    cache = tmp_path / "odd"
    if where == "read_only":
        cache.mkdir()
        cache.chmod(stat.S_IRUSR | stat.S_IXUSR)
        if os.access(cache, os.W_OK):  # root writes everywhere; /proc refuses even root
            cache = Path("/proc/sonar")
    elif where == "folders":
        assert make(cache_dir=cache).prepare(WAIT_S)
        for path in cache.glob("*.clip"):
            damage_folder(path)
    elif where == "not_a_path":
        cache = tmp_path / ("x" * 300)
    else:
        cache.write_text("")
        cache = cache / "below" if where == "under_a_file" else cache
    bank = make(cache_dir=cache)
    assert bank.prepare(WAIT_S)
    assert bank.status.lost is None


@pytest.mark.parametrize(
    ("modes", "says", "most_starts"),
    [
        (["fatal"], "espeak-ng is not installed", 1),
        (["dead"], "ended unexpectedly", speech.MAX_STARTS),
        (["mute_start"], "no answer for 0.3 s", speech.MAX_STARTS),
        (["silent"], "gave silence", 1),
    ],
)
def test_a_useless_synthesizer_is_given_up_and_reported(
    make: Make, log: Path, modes: list[str], says: str, most_starts: int
) -> None:
    bank = make(*modes, timeout_s=0.3 if "0.3 s" in says else 20.0)
    assert not bank.prepare(WAIT_S)
    status = bank.status
    assert status.done and status.ready == 0
    assert status.lost is not None and says in status.lost
    assert status.lost.startswith(f"{len(PHRASES)} of {len(PHRASES)} phrases cannot be spoken: ")
    assert bank.get("stop") is None
    assert starts(log) <= most_starts


def test_a_command_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    bank = SpeechBank(SpeechConfig(), RATE, tmp_path, command=("/no/such/program",))
    assert not bank.prepare(WAIT_S)
    assert "cannot be started" in (bank.status.lost or "")
    bank.close()


@pytest.mark.parametrize("how", ["hang", "crash", "error", "stall"])
def test_one_bad_phrase_costs_only_itself(make: Make, log: Path, how: str) -> None:
    bank = make(f"{how}=Camera lost", timeout_s=1.5)
    assert not bank.prepare(WAIT_S)
    assert bank.status.ready == len(PHRASES) - 1
    assert bank.get("unknown_source_lost") is None
    assert bank.get("stop") is not None
    assert (bank.status.lost or "").startswith(f"1 of {len(PHRASES)} phrases cannot be spoken: ")
    assert starts(log) == (1 if how == "error" else speech.MAX_STARTS)


def test_a_mistake_in_the_thread_is_reported_when_restarts_are_used_up(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise IndexError("a mistake of ours")

    monkeypatch.setattr(speech.SpeechBank, "_render", broken)
    bank = make()
    assert not bank.prepare(WAIT_S)
    status = bank.status
    assert status.done and "IndexError" in (status.lost or "")


def test_asking_never_waits_while_the_synthesizer_hangs(make: Make) -> None:
    bank = make("mute_start", timeout_s=60.0)
    clock = SystemClock()
    began = clock.now()
    assert all(bank.get(key) is None for key in PHRASES)
    assert not bank.prepare(0.05)
    assert not bank.status.done
    bank.close()
    assert clock.now() - began < 5.0, "closing waited for a hung synthesizer"
    assert bank.status.done and bank.status.lost is None
    bank.close()


def test_closing_does_not_wait_for_the_rest_of_an_answer(make: Make, log: Path) -> None:
    bank = make("stall=Camera lost", timeout_s=60.0)
    clock = SystemClock()
    deadline_s = clock.now() + WAIT_S
    while "Camera lost" not in asked(log):
        assert clock.now() < deadline_s
        clock.sleep(0.05)
    clock.sleep(0.2)  # the beginning of the answer is read
    began_s = clock.now()
    bank.close()
    assert clock.now() - began_s < 3.0
    assert not bank._thread.is_alive()


@pytest.mark.parametrize("pause_s", [0.0, 0.1, 0.3])
def test_closing_at_any_moment_leaves_no_process(
    make: Make, pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = []
    popen = subprocess.Popen

    def start(*args: Any, **options: Any) -> Any:
        processes.append(popen(*args, **options))
        return processes[-1]

    monkeypatch.setattr(speech.subprocess, "Popen", start)
    bank = make("hang=Camera lost", timeout_s=60.0)
    threading.Event().wait(pause_s)
    bank.close()
    assert not bank._thread.is_alive()
    assert all(process.returncode is not None for process in processes)


def test_the_worker_ends_when_its_parent_is_gone() -> None:
    """Also when the parent died before the worker could look: its input is still open here."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(WAIT_S)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        number = theirs.fileno()
        worker = subprocess.Popen([*WORKER_COMMAND, str(number), str(gone.pid)], pass_fds=(number,))
        try:
            assert worker.wait(WAIT_S) == -signal.SIGKILL
        finally:
            worker.kill()
            worker.wait()


def test_switched_off_it_is_empty_and_content(make: Make, log: Path) -> None:
    bank = make(enabled=False)
    assert bank.prepare(0.0)
    assert bank.status == speech.SpeechStatus(0, 0, done=True, lost=None)
    assert bank.get("stop") is None
    assert bank.text("stop") == "Stop"
    assert not log.exists()


def test_unknown_keys(make: Make) -> None:
    bank = make(enabled=False)
    assert bank.get("nonsense") is None
    with pytest.raises(KeyError):
        bank.text("nonsense")


def test_a_wrong_language_is_a_config_error(make: Make) -> None:
    with pytest.raises(ConfigError, match="en, zh"):
        make(language="tlh")
