"""The code in the documentation of the API runs."""

import re
import shutil
from pathlib import Path

import pytest

import sonar
from sonar.demo import CLIP

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.S | re.M)


def test_the_page_about_testing_tests() -> None:
    names: dict[str, object] = {}
    found = blocks("testing.md")
    assert len(found) == 5
    for code in found:
        exec(compile(code, "testing.md", "exec"), names)


def test_the_notebook_draws(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="needs the extra: docs")
    matplotlib.use("Agg")
    import av
    import matplotlib.pyplot as plt

    with av.open(str(CLIP)) as video:
        image = next(video.decode(video=0)).to_image()
    image.save(tmp_path / "photo.png")
    names: dict[str, object] = {"photo": tmp_path / "photo.png", "video": "synthetic:box"}
    cells = blocks("notebook.md")
    assert sum(len(cell.splitlines()) for cell in cells) <= 19
    for cell in cells:
        exec(compile(cell, "notebook.md", "exec"), names)
    photo, timeline = (plt.figure(number) for number in plt.get_fignums())
    assert [len(axes.images) for axes in photo.axes] == [1, 1]
    assert len(timeline.axes[0].lines) == 3
    plt.close("all")


def test_the_first_example_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import av

    with av.open(str(CLIP)) as video:
        next(video.decode(video=0)).to_image().save(tmp_path / "photo.jpg")
    shutil.copy(CLIP, tmp_path / "walk.mp4")
    monkeypatch.chdir(tmp_path)
    assert blocks("../README.md") == blocks("api.md")[:1]
    code = blocks("api.md")[0].replace("print(", "steps.append(step); print(", 1)
    code = code.replace("in run:", "in run:\n        if len(steps) == 3:\n            break")
    steps: list[sonar.Step] = []
    exec(compile(code, "api.md", "exec"), {"steps": steps})
    assert len(capsys.readouterr().out.splitlines()) == len(steps) == 3


def test_every_public_name_is_on_the_page() -> None:
    shown = re.findall(r"^::: sonar\.(\w+)$", (DOCS / "api.md").read_text("utf-8"), re.M)
    errors = {name for name in sonar.__all__ if name in dir(sonar.errors)}
    assert set(shown) == set(sonar.__all__) - errors - {"__version__"} | {"errors"}
