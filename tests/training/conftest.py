"""Packs that the tests of training share."""

from pathlib import Path

import pytest
from training_kit import write_pack


@pytest.fixture(scope="session")
def packs(tmp_path_factory) -> Path:
    """A folder of packs: two to train on, one for validation, one held out with its walk."""
    folder = tmp_path_factory.mktemp("rendered")
    for name in ("p_corr1", "p_stairs5", "p_stairs3", "walk_p_stairs3_0drop"):
        write_pack(folder, name)
    write_pack(folder, "d_other", licence="none stated")
    return folder
