"""The documentation builds, says what the code says, and shows commands that exist."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sonar.cli.root import app
from sonar.config.reference import keys as all_keys
from sonar.config.removed import REMOVED

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]
# What a reader of the site looks for; each is a page of its own.
PROMISED = (
    "start", "safety", "wearable", "headless", "recordings", "web", "sound", "calibration",
    "models", "configuration", "records", "design", "contributing", "changelog", "api",
    "notebook", "testing",
)  # fmt: skip
FILES = (".py", ".json", ".jsonl", ".yaml", ".md", ".npz", ".toml", ".html", ".wav", ".mp4")
SAFETY = (  # of the safety notice, wherever it is
    "never instead of one", "glass", "thin wires", "dark", "not been tested with users",
)  # fmt: skip


def test_generated_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, REPO / "scripts/gen_docs", "--check"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def shown(text: str) -> Iterator[str]:
    """Lines of blocks of code (indented), and what is between backticks in sentences."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield "    " + line.strip()
    plain = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    prose = "\n".join(line for line in plain.splitlines() if not line.startswith("    "))
    for found in re.findall(r"`([^`]+)`", prose):
        yield " ".join(found.split())


def words_of(line: str) -> list[str]:
    """Of a shown command: without its comment, and without sudo and the like before it."""
    words = re.split(r"\s+#(?:\s|$)", line)[0].split()
    if words[:1] == ["sudo"]:
        words = words[1:]
        if words[:1] == ["-u"]:
            words = words[2:]
    while words and (words[0] == "env" or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    return words


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that ``sonar WORDS`` runs, and what is left for it."""
    command: Any = typer.main.get_command(app)
    words = words[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_that_are_shown_exist(page: Path) -> None:
    root: Any = typer.main.get_command(app)
    common = {"--help", "-h"} | {option for one in root.params for option in one.opts}
    for line in shown(page.read_text("utf-8")):
        words = words_of(line)
        if words[:1] != ["sonar"] or len(words) < 2 or not re.match(r"[a-z-]", words[1]):
            continue
        if words[1].startswith("-"):
            assert words[1] in common, f"{page.name}: no such option: {line}"
            continue
        command, left = find_command(words)
        assert command is not root, f"{page.name}: no such command: {line}"
        assert not getattr(command, "commands", None) or not left or left[0].startswith("-"), (
            f"{page.name}: no such command: {line}"
        )
        known = common | {option for one in command.params for option in one.opts}
        known |= {option for one in command.params for option in one.secondary_opts}
        for word in left:
            if re.match(r"--?[a-z]", word):
                assert word.split("=")[0] in known, f"{page.name}: no such option: {line}"
        if line.startswith("    "):  # to be typed as it is
            check_arguments(command, without_common(left, root), f"{page.name}: {line}")


def without_common(words: list[str], root: Any) -> list[str]:
    """Without the options that may come anywhere, and their values."""
    flags = {option: one.is_flag or one.count for one in root.params for option in one.opts}
    left, words = [], list(words)
    while words:
        word = words.pop(0)
        name = word.split("=")[0]
        if name not in flags:
            left.append(word)
        elif not flags[name] and name == word:
            words.pop(0)
    return left


def check_arguments(command: Any, words: list[str], where: str) -> None:
    """As many arguments as the command takes, and every one that it needs."""
    if getattr(command, "commands", None) or "-h" in words or "--help" in words:
        return
    context = command.make_context("sonar", [], resilient_parsing=True)
    values, extra, _ = command.make_parser(context).parse_args(words)
    assert not extra, f"{where}: too many words: {extra}"
    for one in command.params:
        assert not one.required or values.get(one.name), f"{where}: {one.name} is missing"


def test_a_wrong_command_would_be_seen() -> None:
    command, left = find_command(["sonar", "models", "import", "a.pt", "midas_small"])
    with pytest.raises(AssertionError, match="too many words"):
        check_arguments(command, left, "")
    command, left = find_command(["sonar", "replay", "--out", "x"])
    with pytest.raises(AssertionError, match="missing"):
        check_arguments(command, left, "")


def groups(command: Any) -> Iterator[Any]:
    """The command, and all below it, that list commands of their own."""
    below = getattr(command, "commands", {})
    if below:
        yield command
    for one in below.values():
        yield from groups(one)


def test_no_summary_in_a_list_of_commands_is_cut_off() -> None:
    lists = list(groups(typer.main.get_command(app)))
    assert len(lists) == 4
    for group in lists:
        width = 80 - 2 - 4 - max(len(name) for name in group.commands)  # of a terminal's line
        for name, one in group.commands.items():
            summary = one.get_short_help_str(width)
            assert summary.endswith(".") and not summary.endswith("..."), f"{group.name} {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scripts_and_their_options_that_are_shown_exist(page: Path) -> None:
    for line in shown(page.read_text("utf-8")):
        words = words_of(line)
        if not words or not (
            found := re.fullmatch(r"(?:\./)?((?:scripts|deploy)/[\w/.-]+)", words[0])
        ):
            continue
        script = REPO / found[1]
        assert script.exists(), f"{page.name}: no such script: {line}"
        if script.is_dir():
            continue
        text = script.read_text("utf-8")
        for module in re.findall(r"^from ((?:sonar|tests)[\w.]*) import main\b", text, re.M):
            file = REPO / f"{module.replace('.', '/')}.py"
            text += "".join(each.read_text("utf-8") for each in file.parent.glob("*.py"))
        for word in words[1:]:
            if word.startswith("--"):
                option = word.split("=")[0]
                field = f"\n    {option[2:].replace('-', '_')}: "  # options made of a dataclass
                assert option in text or field in text, f"{page.name}: no such option: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_are_shown_exist(page: Path) -> None:
    """``service.health_port`` in a sentence and ``--set audio.volume_db=-3`` in a command."""
    known = {key.name for key in all_keys()}
    if page.name in ("changelog.md", "configuration.md") or page.parent.name == "decisions":
        known |= set(REMOVED)
    sections = {key.split(".")[0] for key in known if key}
    free = {key.split(".")[0] for key in known if "*" in key}  # names that a user chooses
    for line in shown(page.read_text("utf-8")):
        keys = re.findall(r"--set[ =]([\w.]+)=", line)
        if re.fullmatch(r"[a-z]+(\.[a-z_]+)+([:=].*)?", line.strip()):
            keys.append(re.split("[:=]", line.strip())[0])
        for key in keys:
            section, _, rest = key.partition(".")
            if rest and section in sections and section not in free and not key.endswith(FILES):
                assert key in known, f"{page.name}: no such setting: {key}"


def test_every_promised_page_is_there_and_in_the_navigation() -> None:
    navigation = (REPO / "mkdocs.yml").read_text("utf-8")
    for name in PROMISED:
        assert (REPO / f"docs/{name}.md").exists(), name
        assert f" {name}.md\n" in navigation, name


@pytest.mark.parametrize(
    "name", ["README.md", "docs/index.md", "docs/safety.md", "docs/wearable.md"]
)
def test_where_people_start_they_read_what_it_is_not(name: str) -> None:
    text = " ".join((REPO / name).read_text("utf-8").replace("> ", "").split())
    missing = [words for words in SAFETY if words not in text]
    if name == "docs/wearable.md":  # says it in its own words
        missing = [words for words in missing if words in ("glass", "dark")]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_images_have_words(page: Path) -> None:
    for words, file in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text("utf-8")):
        assert len(words) > 3, f"{page.name}: {file} is not described"
        assert (page.resolve().parent / file).exists() or (page.parent / file).exists(), file


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs the extra: docs")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="needs the extra: docs")
    pytest.importorskip("mkdocstrings", reason="needs the extra: docs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        capture_output=True, text=True, cwd=REPO, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    for name in PROMISED:
        page = (site / name / "index.html").read_text("utf-8")
        # Nothing is loaded from elsewhere.
        assert not re.search(
            r"<(?:script|img|link|iframe)[^>]+(?:src|href)=.https?://(?!127)", page
        )
    assert "never instead of one" in (site / "index.html").read_text("utf-8")
