"""The table of faults names tests that there are, and enough of them."""

import re
from pathlib import Path

REPO = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| (.+?) \|.*`(\S+\.py)::(test_\w+)` \|$", re.MULTILINE)


def test_every_fault_of_the_table_has_its_test() -> None:
    text = (REPO / "docs/headless_faults.md").read_text("utf-8")
    rows = ROW.findall(text)
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert len({row[1] for row in rows}) == len(rows) >= 30
    assert f"{len(rows)} kinds of fault" in text
    assert len(rows) == sum(
        line.startswith("| ") and line[2].isdigit() for line in text.split("\n")
    )
    for _, fault, file, test in rows:
        source = (REPO / "tests" / file).read_text("utf-8")
        assert re.search(rf"^def {test}\(", source, re.MULTILINE), fault
