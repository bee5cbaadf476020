"""The guide over scripted cameras and engines, in real time and with the real mixer and zones."""

from pathlib import Path
from typing import Any

import pytest
from guide_kit import DEPTH, IMAGES, Hanging, Service

from sonar.config import SonarConfig
from sonar.controls.keys import BUTTONS
from sonar.errors import BROKEN, ConfigError, ModelError, SourceLost
from sonar.service.guide.guide import EXIT_AFTER_S
from sonar.testing.depth import FakeEngine

pytestmark = pytest.mark.realtime


def test_it_guides_reports_progress_and_says_goodbye(serve: Any) -> None:
    service = serve()
    count = len(service.beats)
    service.wait(lambda: len(service.beats) > count + 10, "beats")
    a, b = service.beats[count], service.beats[-1]
    assert b.frames > a.frames and b.samples is not None and a.samples is not None
    assert b.samples > a.samples
    service.wait(lambda: any("age_ms" in (b.health or {}) for b in service.beats), "health", 20)
    health = next(b.health for b in reversed(service.beats) if b.health)
    assert health["source"] == "scripted" and health["fps"] > 1 and health["xruns"] >= 0
    assert health["memory_mb"] > 20
    took = service.stop()
    assert service.code == 0 and took < 2.0
    service.wait(lambda: service.states()[-1][0] == "stopped", "stopped")
    names = [name for name, _ in service.states()]
    assert names[:2] == ["loading", "ready"] and names[-1] == "stopped"
    service.wait(lambda: service.events[-1]["event"] == "ended", "the last line")
    mixer = service.mixers[0]
    assert mixer.rendered > 0


def test_an_engine_that_hangs_is_announced_and_ends_the_process(serve: Any) -> None:
    hanging = Hanging(at=10)
    service = serve(engine=lambda config: hanging, sets=("service.inference_timeout_s=0.2",))
    service.wait(lambda: service.degraded("depth_failed"), "degraded")
    service._thread.join(15)
    assert service.code == BROKEN  # only a new process helps: the supervisor starts it
    hanging.release.set()


def test_reload_takes_a_good_configuration(serve: Any) -> None:
    service = serve()
    service.sets.append("audio.volume_db=-20")
    service.guide.reload()
    service.wait(lambda: len(service.mixers) == 2, "a second run")
    service.wait(lambda: bool(service.logged("reloaded")), "reloaded")
    service.wait_frames(5)
    assert service.sources[0].closes >= 1
    names = [e["name"] for e in service.events if e["event"] == "cue"]
    assert service.stop() < 2.0 and service.code == 0
    assert names.count("loading") == 2


@pytest.mark.parametrize("bad", ["audio.volume_db=999", "zones.bands.stop_m=50", "a model"])
def test_reload_refuses_a_bad_one_and_goes_on(serve: Any, bad: str) -> None:
    calls: list[int] = []

    def engine(config: SonarConfig) -> FakeEngine:
        calls.append(1)
        if len(calls) > 1:
            raise ModelError("the model file is gone")
        return FakeEngine(DEPTH)

    service = serve(engine=engine)
    if "=" in bad:
        service.sets.append(bad)
    service.guide.reload()
    service.wait(lambda: bool(service.logged("reload_refused")), "refusal")
    service.wait_frames(5)
    assert len(service.mixers) == 1 and service.sources[0].closes == 0


def test_a_camera_that_is_gone_for_good_is_its_exit_code(serve: Any) -> None:
    images = [IMAGES[i % 8] for i in range(20)]
    service = serve(script=lambda: [*images, SourceLost("unplugged")])
    service._thread.join(10)
    assert service.code == 3 and ("degraded", "source_lost") in service.states()
    service.wait(
        lambda: any(e["event"] == "failed" and e["problem"] == "unplugged" for e in service.events),
        "the cause in the log",
    )


def test_a_wrong_configuration_at_the_start_is_raised() -> None:
    with pytest.raises(ConfigError):
        Service(sets=("audio.volume_db=999",))


def test_stopping_while_an_engine_hangs_is_in_time(serve: Any) -> None:
    hanging = Hanging(at=10)
    service = serve(engine=lambda config: hanging, sets=("service.inference_timeout_s=0.5",))
    service.wait(lambda: hanging.calls > 10, "a hang")
    took_s = service.stop()
    assert took_s < EXIT_AFTER_S or service.left == [0]  # the process ends in time all the same
    hanging.release.set()


def test_a_recording_is_kept_by_a_button_and_refused_where_there_is_none(
    serve: Any, tmp_path: Path
) -> None:
    service = serve(sets=("service.recording.enabled=true",), folder=tmp_path)
    service.wait_frames(20)
    assert BUTTONS[167] == "keep"
    assert service.guide.running.controls("keep") == "ok keeping the recording"
    service.wait(lambda: bool(service.logged("recording_kept")), "recording")
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.endswith("-button")
    (part,) = kept.iterdir()
    assert (part / "walk.mkv").stat().st_size > 1000
    assert len((part / "frames.jsonl").read_text().splitlines()) >= 3
    assert serve().guide.running.controls("keep") == "refused nothing is recorded"


def test_a_recording_folder_that_cannot_be_made_stops_nobody(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    service = serve(sets=("service.recording.enabled=true",), folder=tmp_path / "file")
    assert any(e["event"] == "recording_off" for e in service.events)


def test_a_second_reload_while_the_first_opens_its_model_comes_after_it(serve: Any) -> None:
    engines: list[FakeEngine] = []

    def engine(config: SonarConfig) -> FakeEngine:
        engines.append(FakeEngine(DEPTH))
        if len(engines) == 2:
            service.sets.append("audio.volume_db=-30")
            service.guide.reload()
        return engines[-1]

    service = serve(engine=engine)
    service.sets.append("audio.volume_db=-20")
    service.guide.reload()
    service.wait(lambda: len(engines) == 3 and engines[2].calls > 0, "the last one")
    assert service.guide.config.audio.volume_db == -30 and service.guide._next is None
    service.stop()
    # The second may be replaced before it has seen a frame.
    assert len(engines) == 3 and all(engine.closed for engine in engines)


def test_a_reload_that_is_overtaken_by_the_end_leaves_no_model_open(serve: Any) -> None:
    engines: list[FakeEngine] = []

    def engine(config: SonarConfig) -> FakeEngine:
        engines.append(FakeEngine(DEPTH))
        return engines[-1]

    service = serve(engine=engine)
    service.guide._stopping.set()  # before what is confirmed now is taken
    service.guide._prepare()
    service._thread.join(5)
    assert service.code == 0 and len(engines) == 2 and all(engine.closed for engine in engines)
