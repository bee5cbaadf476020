"""The store: nothing half-installed, the previous model usable whatever happens."""

import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml
from conftest import Shop
from model_files import onnx_bytes
from model_server import answer, sha, whole

from sonar.config import ModelConfig, SonarConfig
from sonar.depth.contract import BUILTIN_CONTRACT
from sonar.depth.models import InputContract, Store
from sonar.depth.models.registry import BUILTIN, OFFICIAL, registry
from sonar.errors import ConfigError, ModelError, OutputError
from sonar.files import sha256_of
from sonar.types import DepthKind

OTHER = onnx_bytes(salt="another")

# --- by name and by path


def test_builtin_is_there_and_is_what_it_says():
    resolved = Store(home=Path("/nowhere")).resolve("builtin")
    assert resolved.sha256 == BUILTIN.sha256 == sha256_of(resolved.path)
    assert resolved.path.stat().st_size == BUILTIN.size_bytes
    assert resolved.contract == BUILTIN_CONTRACT
    assert Store().resolve("builtin").format == "onnx"


def test_official_entries_are_complete():
    for entry in OFFICIAL:
        assert entry.sha256 is not None and re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert entry.size_bytes
        assert entry.packaged or str(entry.url).startswith("https://")
    contract = registry({})["midas_small_onnx"].contract
    assert (contract.mean, contract.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), "in its graph"


def test_unknown_and_absent_models_say_what_to_do(shop: Shop):
    with pytest.raises(ConfigError, match=r"no model 'midas'; known are builtin, midas_small"):
        shop.store().resolve("midas")
    with pytest.raises(ModelError, match=r"run `sonar models fetch midas_small` \(81\.8 MiB\)"):
        shop.store().resolve("midas_small")
    with pytest.raises(
        ModelError, match=r"`sonar models import mine\.pt` installs the official one"
    ):
        (shop.home.parent / "mine.pt").touch()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(shop.home.parent)
            shop.store().resolve("mine.pt")


def test_own_onnx_by_its_path(tmp_path: Path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes((1, 3, 64, 96)))
    resolved = Store(home=tmp_path).resolve(str(path))
    assert resolved.name == "mine"
    assert (resolved.contract.fit, resolved.contract.fixed_hw) == ("exact", (64, 96))
    with pytest.raises(ModelError, match=r"gone\.onnx is missing"):
        Store(home=tmp_path).resolve(str(tmp_path / "gone.onnx"))


def test_own_onnx_described_in_the_configuration(tmp_path: Path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes(output="meters"))
    described = ModelConfig(path=path, kind=DepthKind.METRIC, depth_output="meters", multiple=14)
    store = Store({"mine": described}, home=tmp_path)
    assert store.resolve("mine").contract == InputContract(
        multiple=14, kind=DepthKind.METRIC, depth_output="meters"
    )
    with pytest.raises(ModelError, match="was not fetched"):
        store.remove("mine")
    wrong = ModelConfig(path=path, sha256="0" * 64)
    with pytest.raises(ModelError, match=r"bring the file, or correct models\.mine"):
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


# --- fetching


def test_fetch_installs_once(shop: Shop):
    store = shop.store()
    resolved = store.fetch("mine")
    assert resolved.path.read_bytes() == shop.good
    assert shop.files() == [".mine.lock", "mine.onnx"]
    assert store.status(store.entry("mine")) == "installed"
    store.fetch("mine")
    assert len(shop.server.requests) == 1, "what is here and sound is not fetched again"
    assert shop.reported == []
    assert store.fetch("builtin").sha256 == BUILTIN.sha256


def test_failed_fetch_leaves_the_previous_model(shop: Shop):
    shop.store().fetch("mine")
    newer = shop.store(sha256=sha(OTHER))
    for act in (
        whole(),  # still the old file
        answer(404),
        answer(200, b"<html>sign in</html>"),
        whole(drop_after=0),
    ):
        shop.server.always = act
        with pytest.raises(ModelError, match=r"sonar models import FILE --name mine"):
            newer.fetch("mine")
        assert shop.store().resolve("mine").path.read_bytes() == shop.good
    shop.server.reset(OTHER)
    with shop.store().path("mine").open("rb") as running:  # a sonar that is using it meanwhile
        assert newer.fetch("mine").path.read_bytes() == OTHER
        assert running.read() == shop.good, "moved into its place, never written over"


def test_a_file_with_the_right_sum_that_is_no_depth_network_is_refused(shop: Shop):
    shop.server.payload = bad = onnx_bytes(body="nan")
    with pytest.raises(ModelError, match=r"mine: the file is refused: .*not numbers"):
        shop.store(sha256=sha(bad)).fetch("mine")
    assert shop.files() == [".mine.lock"]


def test_a_sum_that_is_not_known_is_reported(shop: Shop):
    store = shop.store(sha256=None)
    store.fetch("mine")
    assert len(shop.reported) == 1 and sha(shop.good) in shop.reported[0]


def test_damage_is_found_and_repaired(shop: Shop):
    store = shop.store(size_bytes=len(shop.good))
    path = store.fetch("mine").path
    damaged = bytearray(shop.good)
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ModelError, match=r"expected .*run `sonar models fetch mine`"):
        store.resolve("mine")
    assert store.fetch("mine").path.read_bytes() == shop.good
    path.write_bytes(shop.good[:-1])
    assert store.status(store.entry("mine")) == "damaged"


def test_second_process_waits_and_uses_what_the_first_fetched(shop: Shop):
    def slowly(handler) -> None:
        time.sleep(0.3)
        whole()(handler)

    shop.server.always = slowly
    script = textwrap.dedent(f"""
        from pathlib import Path
        from sonar.config import ModelConfig
        from sonar.depth.models import Store
        described = ModelConfig(url={shop.server.url!r}, sha256={sha(shop.good)!r})
        print(Store({{"mine": described}}, home=Path({str(shop.home)!r})).fetch("mine").sha256)
    """)
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    sums = [process.communicate(timeout=60)[0].strip() for process in both]
    assert sums == [sha(shop.good)] * 2
    assert len(shop.server.requests) == 1


def test_unusable_cache_folder_is_named(shop: Shop):
    shop.home.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="home/models"):
        shop.store().fetch("mine")


# --- bringing a file by hand


def test_import_finds_out_which_model_it_is(shop: Shop, tmp_path: Path):
    brought = tmp_path / "download(1).bin"
    brought.write_bytes(shop.good)
    resolved = shop.store().import_file(brought)
    assert (resolved.name, resolved.path.read_bytes()) == ("mine", shop.good)
    assert brought.read_bytes() == shop.good
    assert shop.server.requests == []


def test_import_refuses_by_name(shop: Shop, tmp_path: Path):
    store = shop.store()
    wrong = tmp_path / "midas_v21_small_256.pt"
    wrong.write_bytes(b"PK\x03\x04 something")
    other = tmp_path / "else.onnx"
    other.write_bytes(OTHER)
    for path, name, reason in (
        (wrong, None, r"256\.pt is damaged or is not midas_small"),
        (wrong, "mine", "is damaged or is not mine"),
        (other, None, "none of the models sonar knows"),
        (tmp_path / "gone", None, "there is no such file"),
        (other, "builtin", "nothing to import"),
    ):
        with pytest.raises(ModelError, match=reason):
            store.import_file(path, name)
    assert not any(name.endswith(".onnx") for name in shop.files())


def test_a_full_disk_while_importing_leaves_nothing(shop: Shop, tmp_path: Path, monkeypatch):
    brought = tmp_path / "mine.onnx"
    brought.write_bytes(shop.good)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sonar.depth.models.store.shutil.copyfile", full)
    with pytest.raises(OutputError, match="no space left on the disk"):
        shop.store().import_file(brought)
    assert shop.files() == [".mine.lock"]


# --- removing


def test_remove_takes_what_was_derived_along(shop: Shop):
    store = shop.store()
    derived = store.derived_path(store.fetch("mine").sha256, "int8.onnx")
    foreign = store.derived_path("f" * 64, "int8.onnx")
    derived.parent.mkdir()
    derived.write_bytes(b"x")
    foreign.write_bytes(b"y")
    assert store.remove("mine") is True
    assert not derived.exists() and foreign.exists()
    assert shop.files() == [".mine.lock"]
    assert store.remove("mine") is False
    with pytest.raises(ModelError, match="was not fetched"):
        store.remove("builtin")
