"""Models that are fetched, brought by hand, repaired and removed."""

import os
from pathlib import Path

import pytest
from model_files import onnx_bytes
from model_server import answer, sha, whole
from model_shop import GOOD, OTHER, Shop

from sonar.config import ModelConfig
from sonar.depth.models.acquire import fetch, import_file
from sonar.depth.models.registry import BUILTIN
from sonar.depth.models.store import Store
from sonar.errors import ModelError, OutputError
from sonar.files import atomic_path

# --- fetching


def test_fetch_installs_and_remembers(shop: Shop):
    store = shop.store()
    resolved = fetch(store, "mine")
    assert resolved.path.read_bytes() == GOOD
    assert resolved.provenance == f"from {shop.server.url}; matches the published sum"
    assert shop.files() == [".mine.lock", "mine.onnx", "record.json"]
    assert [row.status for row in store.listing() if row.entry.name == "mine"] == ["installed"]
    fetch(store, "mine")
    assert len(shop.server.requests) == 1, "what is here and sound is not fetched again"
    assert shop.reported == []


def test_fetching_the_builtin_needs_no_network(shop: Shop):
    assert fetch(shop.store(), "builtin").sha256 == BUILTIN.sha256


def test_failed_fetch_leaves_the_previous_model(shop: Shop):
    fetch(shop.store(), "mine")
    newer = shop.store(sha256=sha(OTHER))
    for act in (
        whole(),  # still the old file
        answer(404),
        answer(200, b"<html>sign in</html>"),
        whole(drop_after=10),
    ):
        shop.server.always = act
        with pytest.raises(ModelError):
            fetch(newer, "mine")
        assert shop.store().verify("mine").path.read_bytes() == GOOD
    shop.server.reset(OTHER)
    with shop.store().path("mine").open("rb") as running:  # a sonar that is using it meanwhile
        assert fetch(newer, "mine").path.read_bytes() == OTHER
        assert running.read() == GOOD, "moved into its place, never written over"


def test_offline_says_how_to_bring_the_file(shop: Shop):
    store = shop.store(url="http://127.0.0.1:9/mine.onnx")
    with pytest.raises(
        ModelError, match=r"cannot be reached.*sonar models import FILE --name mine"
    ):
        fetch(store, "mine")


def test_a_file_with_the_right_sum_that_is_no_depth_network_is_refused(shop: Shop):
    shop.server.payload = bad = onnx_bytes(body="nan")
    with pytest.raises(ModelError, match=r"what was fetched is refused: .*not numbers"):
        fetch(shop.store(sha256=sha(bad)), "mine")
    assert shop.files() == [".mine.lock"]


def test_unknown_sum_is_recorded_at_first_use_and_held(shop: Shop):
    store = shop.store(sha256=None)
    fetch(store, "mine")
    assert shop.reported == [
        f"No sum is known for mine: from now on its SHA-256 must be {sha(GOOD)}. "
        "Compare it with its maker's, and set models.mine.sha256."
    ]
    store.path("mine").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged or was changed"):
        store.resolve("mine")
    shop.server.payload = OTHER
    with pytest.raises(ModelError, match="damaged or different file"):
        fetch(store, "mine")
    shop.server.payload = GOOD
    fetch(store, "mine")
    assert len(shop.reported) == 1
    store.remove("mine")
    shop.server.payload = OTHER
    assert fetch(store, "mine").sha256 == sha(OTHER), "forgotten with the model"


def test_damage_is_found_and_repaired(shop: Shop):
    store = shop.store()
    path = fetch(store, "mine").path
    damaged = bytearray(GOOD)
    damaged[len(GOOD) // 2] ^= 1
    stamps = path.stat()
    path.write_bytes(damaged)
    os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    with pytest.raises(ModelError, match=r"expected .*run `sonar models fetch mine`"):
        store.verify("mine")  # although size and time are the old ones
    os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns + 1))
    with pytest.raises(ModelError, match="damaged or was changed"):
        store.resolve("mine")
    assert fetch(store, "mine").path.read_bytes() == GOOD
    path.write_bytes(GOOD[:-1])
    row = next(r for r in shop.store(size_bytes=len(GOOD)).listing() if r.entry.name == "mine")
    assert row.status == "damaged"


def test_lost_record_is_made_anew(shop: Shop):
    store = shop.store()
    path = fetch(store, "mine").path
    (path.parent / "record.json").write_text("{ broken")
    assert store.resolve("mine").sha256 == sha(GOOD)
    assert store.record(store.entry("mine")) is not None


def test_fixed_size_of_a_fetched_model_is_known(shop: Shop):
    shop.server.payload = fixed = onnx_bytes((1, 3, 64, 96))
    store = shop.store(sha256=sha(fixed))
    assert fetch(store, "mine").contract.fixed_hw == (64, 96)
    assert shop.store(sha256=sha(fixed)).resolve("mine").contract.fit == "exact"


# --- bringing a file by hand


def test_import_finds_out_which_model_it_is(shop: Shop, tmp_path: Path):
    brought = tmp_path / "download(1).bin"
    brought.write_bytes(GOOD)
    resolved = import_file(shop.store(), brought)
    assert (resolved.name, resolved.path.read_bytes()) == ("mine", GOOD)
    assert brought.read_bytes() == GOOD
    assert shop.server.requests == []


def test_import_refuses_by_name(shop: Shop, tmp_path: Path):
    store = shop.store()
    wrong = tmp_path / "midas_v21_small_256.pt"
    wrong.write_bytes(b"PK\x03\x04 something")
    with pytest.raises(ModelError, match=r"256\.pt is damaged or is not midas_small"):
        import_file(store, wrong)
    with pytest.raises(ModelError, match="is damaged or is not mine"):
        import_file(store, wrong, "mine")
    page = tmp_path / "model-small.onnx"
    page.write_text("<!DOCTYPE html><html>")
    with pytest.raises(ModelError, match=r"model-small\.onnx is damaged or is not"):
        import_file(store, page)
    other = tmp_path / "else.onnx"
    other.write_bytes(OTHER)
    with pytest.raises(ModelError, match="none of the models sonar knows"):
        import_file(store, other)
    with pytest.raises(ModelError, match="there is no such file"):
        import_file(store, tmp_path / "gone")
    with pytest.raises(ModelError, match="nothing to import"):
        import_file(store, other, "builtin")
    assert not any(name.endswith(".onnx") for name in shop.files())


# --- removing


def test_remove_takes_what_was_derived_along(shop: Shop):
    store = shop.store()
    resolved = fetch(store, "mine")
    derived = store.derived_path(resolved.sha256, "int8-192x256.onnx")
    with atomic_path(derived) as temporary:
        temporary.write_bytes(b"x")
    foreign = store.derived_path("f" * 64, "int8.onnx")
    foreign.write_bytes(b"y")
    assert store.remove("mine") is True
    assert not derived.exists() and foreign.exists()
    assert shop.files() == [".mine.lock"]
    assert store.remove("mine") is False
    with pytest.raises(ModelError, match="builtin is part of sonar"):
        store.remove("builtin")


def test_own_files_are_never_removed(tmp_path: Path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(GOOD)
    with pytest.raises(ModelError, match="is yours"):
        Store({"mine": ModelConfig(path=path)}, home=tmp_path).remove("mine")
    assert path.exists()


def test_no_space_for_an_import(shop: Shop, tmp_path: Path, monkeypatch):
    brought = tmp_path / "mine.onnx"
    brought.write_bytes(GOOD)
    usage = type("Usage", (), {"free": 0})
    monkeypatch.setattr("sonar.files.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OutputError, match=r"needed, 0\.0 MiB free"):
        import_file(shop.store(), brought)
    assert shop.files() == [".mine.lock"]
