"""The store: nothing half-installed, the previous model usable whatever happens."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml
from model_files import onnx_bytes
from model_server import sha, whole
from model_shop import GOOD, Shop

from sonar.config import ModelConfig, SonarConfig
from sonar.depth.models.acquire import fetch
from sonar.depth.models.contract import BUILTIN_CONTRACT, InputContract
from sonar.depth.models.registry import BUILTIN, OFFICIAL, registry
from sonar.depth.models.store import Store, resolve
from sonar.errors import ConfigError, ModelError, OutputError
from sonar.files import atomic_path, cache_home, exclusive, sha256_of
from sonar.types import DepthKind

# --- by name and by path


def test_builtin_is_there_and_is_what_it_says():
    resolved = Store(home=Path("/nowhere")).resolve("builtin")
    assert resolved.sha256 == BUILTIN.sha256 == sha256_of(resolved.path)
    assert resolved.path.stat().st_size == BUILTIN.size_bytes
    assert resolved.contract == BUILTIN_CONTRACT
    assert resolved.provenance == "comes with sonar"
    assert Store().verify("builtin").format == "onnx"


def test_official_entries_are_complete():
    for entry in OFFICIAL:
        assert entry.sha256 is not None and re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert entry.size_bytes
        assert entry.packaged or str(entry.url).startswith("https://")
        assert (entry.format == "torch") == (entry.architecture is not None)
    small = registry()["midas_small"]
    assert small.sha256 is not None and small.sha256.startswith("70d6b9c8")
    assert small.size_bytes == pytest.approx(81.8 * 2**20, rel=1e-3)


def test_official_onnx_is_not_normalised_twice():
    contract = registry()["midas_small_onnx"].contract
    assert (contract.mean, contract.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert contract.fixed_hw == (256, 256)


def test_unknown_and_absent_models_say_what_to_do(shop: Shop):
    with pytest.raises(ConfigError, match=r"no model 'midas'; known are builtin, midas_small"):
        shop.store().resolve("midas")
    with pytest.raises(ModelError, match=r"run `sonar models fetch midas_small` \(81\.8 MiB\)"):
        shop.store().resolve("midas_small")


def test_own_onnx_by_its_path(tmp_path: Path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes((1, 3, 64, 96)))
    resolved = resolve(str(path), SonarConfig())
    assert resolved.name == "mine"
    assert (resolved.contract.fit, resolved.contract.fixed_hw) == ("exact", (64, 96))
    with pytest.raises(ModelError, match=r"gone\.onnx is missing"):
        resolve(str(tmp_path / "gone.onnx"), SonarConfig())


def test_own_onnx_described_in_the_configuration(tmp_path: Path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes(output="metres"))
    described = ModelConfig(path=path, kind=DepthKind.METRIC, depth_output="metres", multiple=14)
    resolved = Store({"mine": described}, home=tmp_path).resolve("mine")
    assert resolved.contract == InputContract(
        multiple=14, kind=DepthKind.METRIC, depth_output="metres"
    )
    wrong = ModelConfig(path=path, sha256="0" * 64)
    with pytest.raises(ModelError, match=r"replace it, or correct models\.mine\.sha256"):
        Store({"mine": wrong}, home=tmp_path).resolve("mine")


def test_names_of_sonar_are_not_reused():
    with pytest.raises(ConfigError, match=r"models\.builtin: this name is taken"):
        registry({"builtin": ModelConfig(url="https://a/b")})


def test_example_of_the_documentation_is_valid():
    page = (Path(__file__).parents[3] / "docs/models.md").read_text("utf-8")
    text = textwrap.dedent(page[page.index("    models:\n") : page.index("`kind` is")])
    config = SonarConfig.model_validate(yaml.safe_load(text))
    entry = registry(config.models)["depth_anything_v2_small"]
    assert entry.contract.fit == "shorter" and entry.contract.multiple == 14
    assert entry.size_bytes == 99_060_839


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"path": "a", "url": "https://a"},
        {"url": "https://a", "fit": "exact"},
        {"url": "https://a", "height_px": 64, "width_px": 64},
        {"url": "https://a", "fit": "exact", "height_px": 64},
        {"url": "https://a", "size_px": 16, "multiple": 32},
        {"url": "https://a", "std": [1, 0, 1]},
        {"url": "https://a", "sha256": "abc"},
        {"url": "ftp://a"},
    ],
)
def test_contradictory_descriptions_are_refused(fields: dict):
    with pytest.raises(ValueError):
        ModelConfig.model_validate(fields)


# --- one at a time


def test_cache_can_be_moved(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("SONAR_HOME", str(tmp_path))
    assert cache_home() == tmp_path
    assert Store().path("midas_small") == tmp_path / "models/midas_small/midas_v21_small_256.pt"
    monkeypatch.delenv("SONAR_HOME")
    assert cache_home().name == "sonar"


def test_second_process_waits_and_uses_what_the_first_fetched(shop: Shop, tmp_path: Path):
    def slowly(handler) -> None:
        time.sleep(0.3)
        whole()(handler)

    shop.server.always = slowly
    script = textwrap.dedent(f"""
        from pathlib import Path
        from sonar.config import ModelConfig
        from sonar.depth.models.acquire import fetch
        from sonar.depth.models.store import Store
        described = ModelConfig(url={shop.server.url!r}, sha256={sha(GOOD)!r})
        print(fetch(Store({{"mine": described}}, home=Path({str(shop.home)!r})), "mine").sha256)
    """)
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == [sha(GOOD)] * 2
    assert len(shop.server.requests) == 1


def test_waiting_for_another_process_ends(tmp_path: Path):
    lock, reported = tmp_path / "lock", []
    with (
        exclusive(lock, "mine", 1.0),
        pytest.raises(ModelError, match="mine is being worked on by another sonar; try again"),
        exclusive(lock, "mine", 0.1, reported.append),
    ):
        pass
    assert len(reported) == 1 and "waiting" in reported[0]
    with exclusive(lock, "mine", 0.0):
        pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path):
    lock = tmp_path / "lock"
    script = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from sonar.files import exclusive
        with exclusive(Path({str(lock)!r}), "mine", 1.0):
            print("held", flush=True)
            time.sleep(60)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with pytest.raises(ModelError, match="being worked on"), exclusive(lock, "mine", 0.0):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    with exclusive(lock, "mine", 5.0):
        pass


# --- the disk


def test_atomic_write_is_all_or_nothing(tmp_path: Path):
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".onnx"
        temporary.write_bytes(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert target.read_bytes() == b"new"


def test_unusable_cache_folder_is_named(shop: Shop, tmp_path: Path):
    shop.home.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="home/models"):
        fetch(shop.store(), "mine")


def test_disk_full_while_recording_does_not_spoil_reading(shop: Shop, monkeypatch):
    """A cache that cannot be written to still serves what is in it."""
    store = shop.store()
    path = fetch(store, "mine").path
    os.utime(path)

    def refuse(**_: object):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("sonar.files.tempfile.mkstemp", refuse)
    assert store.resolve("mine").sha256 == sha(GOOD)
    with pytest.raises(OutputError, match="may not be written to"), atomic_path(path):
        pass
