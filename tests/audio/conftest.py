"""What several of these tests ask for: a measured head."""

import pytest


@pytest.fixture(scope="session")
def sphere(tmp_path_factory):
    from measured_head import write  # skips without the extra

    return write(tmp_path_factory.mktemp("sofa") / "sphere.sofa")
