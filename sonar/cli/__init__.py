"""The command line. ``main`` is the only way in; each command has its file here."""

import sys

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    """Run ``sonar`` with ``argv`` (default: the process's own) and exit with its code."""
    try:
        from sonar.cli import process
        from sonar.cli.root import execute

        process.install()
        code = execute(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # while modules are imported
        code = 130
    sys.exit(code)
