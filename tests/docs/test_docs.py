"""The documentation builds, says what the code says, and shows commands that exist."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer.main

from sonar.cli.root import app

REPO = Path(__file__).parents[2]
PAGES = [page for page in sorted((REPO / "docs").glob("*.md"))]


def test_generated_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, REPO / "scripts/gen_docs", "--check"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_that_are_shown_exist(page: Path) -> None:
    root = typer.main.get_command(app)
    common = {option for one in root.params for option in one.opts}
    for line in page.read_text("utf-8").splitlines():
        found = re.match(r"    (?:sudo )?sonar ([a-z].*?)(?:\s+#.*)?$", line)
        if not found:
            continue
        words = found[1].split()
        command = root
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert command is not root, f"{page.name}: no such command: {line}"
        known = common | {option for one in command.params for option in one.opts}
        known |= {option for one in command.params for option in one.secondary_opts}
        for word in words:
            if word.startswith("--"):
                assert word.split("=")[0] in known, f"{page.name}: no such option: {line}"


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs the extra: docs")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="needs the extra: docs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        capture_output=True, text=True, cwd=REPO, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    index = (tmp_path / "site" / "index.html").read_text()
    assert "never instead of one" in index and "fonts.googleapis" not in index
    assert (tmp_path / "site" / "configuration" / "index.html").exists()
