"""Fuzz one reader: ``python -m tests.fuzz.run NAME --minutes 30 [--folder DIR]``.

atheris (coverage-guided; ``pip install atheris``) changes the seeds of ``tests/fuzz/seeds.py``.
An input that breaks the reader, takes longer than 20 s or more than 3 GB is left in DIR, and the
run ends with an error: mend the reader and keep the input in ``tests/fuzz/found/NAME``.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

from tests.fuzz import targets
from tests.fuzz.seeds import found, seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=targets.TARGETS)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--folder", type=Path, default=Path("out/fuzz"))
    given = parser.parse_args()
    corpus = given.folder.resolve() / given.name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(given.name)):
        (corpus / f"seed{number}").write_bytes(data)
    for path in found(given.name):
        (corpus / f"found_{path.name}").write_bytes(path.read_bytes())
    work = Path(tempfile.mkdtemp(prefix="sonar-fuzz-"))
    with atheris.instrument_imports(include=["sonar", "yaml"]):
        for data in seeds(given.name):  # imports the reader, so that its branches are counted
            targets.call(given.name, data, work)
    flags = [
        f"-max_total_time={given.minutes * 60:.0f}", "-timeout=20", "-rss_limit_mb=3072",
        "-max_len=16384", f"-artifact_prefix={corpus.parent}/", "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup(
        [sys.argv[0], *flags, str(corpus)], lambda data: targets.call(given.name, data, work)
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
