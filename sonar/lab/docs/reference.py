"""Writes what is read off the code: config/default.yaml, docs/configuration.md and docs/records.md.

scripts/gen_docs            # write them
scripts/gen_docs --check    # exit code 1 where they are not what the code says
"""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from sonar.config.plain_yaml import dump_scalar
from sonar.config.reference import Key, keys
from sonar.config.removed import REMOVED
from sonar.records import Event, FrameRecord, schema_of
from sonar.replay.batch import SCHEMA as BATCH_SCHEMA
from sonar.replay.writer import SUMMARY_SCHEMA

REPO = Path(__file__).resolve().parents[3]
NOTE = "<!-- Written by scripts/gen_docs; a test holds it equal to the code. -->\n\n"


_HEADER = """\
# sonar's configuration: every key with its default.
#
# Copy what you want to change into a file of your own and give it with --config FILE; keys that
# are not there keep these values. An environment variable outranks the file
# (SONAR_AUDIO__VOLUME_DB=-3), and --set audio.volume_db=-3 outranks both. An unknown key is an
# error. null means "not set".
#
# Written by scripts/gen_docs; a test holds it equal to the code.
"""


def default_yaml() -> str:
    """Every key as commented YAML: meaning, unit, range, default."""
    return _HEADER + "".join(_entry(key) for key in keys())


def _entry(key: Key) -> str:
    if key.path[-1] == "*":  # a pattern to copy, not a setting
        return "  # NAME:\n"
    indent = "  " * (len(key.path) - 1)
    unit = f"{key.unit}; " if key.unit else ""
    note = key.meaning if key.is_section else f"{key.meaning} ({unit}{key.allowed})"
    lines = [f"# {line}" for line in textwrap.wrap(note, 98 - len(indent), break_long_words=False)]
    value = "" if key.is_section else f" {dump_scalar(key.schema['default'])}"
    text = textwrap.indent("\n".join([*lines, f"{key.path[-1]}:{value}\n"]), indent)
    if "*" in key.path:
        return re.sub("^  ", "  # ", text, flags=re.MULTILINE)
    return text if indent else f"\n{text}"


def configuration() -> str:
    """Every key with its meaning, range and default."""
    return NOTE + "".join(_configuration())


def _configuration() -> Iterator[str]:
    yield (
        "# Configuration\n\n"
        "Precedence: defaults, then the file given with `--config`, then environment variables, "
        "then `--set`. An unknown key is an error that names the line and the nearest key. "
        "`sonar config show --config FILE` checks a file and prints what is in force.\n\n"
        "`audio.volume_db` in a file is `--set audio.volume_db=-3` on the command line and "
        "`SONAR_AUDIO__VOLUME_DB=-3` in the environment. `*` is a name you choose.\n"
    )
    for section in (key for key in keys() if key.is_section):
        own = [key for key in keys() if key.path[:-1] == section.path and not key.is_section]
        if not own:
            continue
        yield f"\n## {section.name}\n\n{_cell(section.meaning)}\n\n"
        yield "| key | meaning | allowed | default |\n|---|---|---|---|\n"
        for key in own:
            unit = f"{key.unit}; " if key.unit else ""
            default = f"`{dump_scalar(key.schema['default'])}`"
            cells = (f"`{key.path[-1]}`", key.meaning, unit + key.allowed, default)
            yield "| " + " | ".join(_cell(cell) for cell in cells) + " |\n"
    yield (
        "\n## Removed\n\nThese keys of the release before are ignored with a warning; the next "
        "release refuses them.\n\n| key | now |\n|---|---|\n"
    )
    for name, now in REMOVED.items():
        yield f"| `{name}` | {_cell(now)} |\n"


def records() -> str:
    """The schemas of what sonar writes."""
    parts = [
        NOTE,
        "# Records and JSON Schema\n\n"
        "`frames.jsonl` and `sonar run --json` hold one `sonar.frame/1` a line, `events.jsonl` one "
        f"`sonar.event/1`; `summary.json` is `{SUMMARY_SCHEMA}`, `batch.json` `{BATCH_SCHEMA}`. "
        "Within a version fields are only added.\n",
    ]
    for model in (FrameRecord, Event):
        described = str(schema_of(model)["description"])
        schema = json.dumps(schema_of(model), indent=2)
        parts.append(f"\n## {model.__name__}\n\n{described}\n\n```json\n{schema}\n```\n")
    return "".join(parts)


def _cell(text: str) -> str:
    """Text that neither ends a table's cell nor starts markup."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("``", "`")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a page is stale")
    check = parser.parse_args().check
    pages = {
        REPO / "config/default.yaml": default_yaml(),
        REPO / "docs/configuration.md": configuration(),
        REPO / "docs/records.md": records(),
    }
    stale = [p for p, text in pages.items() if not p.exists() or p.read_text("utf-8") != text]
    if check:
        for page in stale:
            print(f"{page.name} is not what the code says; run scripts/gen_docs", file=sys.stderr)
        return 1 if stale else 0
    for page in stale:
        page.write_text(pages[page], "utf-8")
        print(f"wrote {page}")
    return 0
