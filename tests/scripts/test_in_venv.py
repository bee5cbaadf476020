"""Each Python script runs by the repository's .venv, from anywhere, with nothing activated."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
FIRST_LINE = """#!/usr/bin/env -S bash -c 'exec "${0%/*}/in_venv" "$0" "$@"'"""
PLAIN = "/usr/local/bin:/usr/bin:/bin"
OURS = sorted(
    path.name
    for path in SCRIPTS.iterdir()
    if path.is_file() and os.access(path, os.X_OK) and '\n"""' in path.read_text("utf-8")[:200]
)

pytestmark = pytest.mark.skipif(shutil.which("bash", path=PLAIN) is None, reason="needs bash")


def call(script: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """As from a fresh login: no PYTHONPATH, no VIRTUAL_ENV, the system's programs only."""
    return subprocess.run(
        [script, *words], env={"PATH": PLAIN, "HOME": str(cwd)}, cwd=cwd,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_scripts_are_found() -> None:
    assert {"soak", "gen_docs", "train_builtin"} <= set(OURS)
    assert not {"setup", "in_venv"} & set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_each_prints_its_usage(name: str, tmp_path: Path) -> None:
    if not (SCRIPTS.parent / ".venv/bin/python").exists():
        pytest.skip("there is no .venv")
    assert (SCRIPTS / name).read_text("utf-8").split("\n")[0] == FIRST_LINE, "see scripts/in_venv"
    done = call(SCRIPTS / name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith((f"usage: {name}", f"usage: scripts/{name}"))


def test_words_arrive_as_they_are_and_the_exit_code_comes_back(tmp_path: Path) -> None:
    scripts = tmp_path / "a repo" / "scripts"
    python = tmp_path / "a repo" / ".venv" / "bin" / "python"
    scripts.mkdir(parents=True)
    shutil.copy(SCRIPTS / "in_venv", scripts)
    script = scripts / "greet"
    script.write_text(f"{FIRST_LINE}\n")
    script.chmod(0o755)

    without = call(script, cwd=tmp_path)
    assert without.returncode == 1
    assert without.stderr == "greet: there is no .venv yet; make it with scripts/setup dev\n"

    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 7\n')
    python.chmod(0o755)
    done = call(script, "two words", "$HOME", "", cwd=tmp_path)
    assert done.stdout == f"{script}|two words|$HOME||"
    assert done.returncode == 7
