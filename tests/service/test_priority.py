"""Who runs first: what is set, and that nothing breaks where it may not be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sonar.service import priority


def in_a_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import os, sys, time\nfrom sonar.service import priority\n" + code],
        capture_output=True,
        text=True,
        timeout=30,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def may_raise() -> bool:
    return in_a_process("print(priority.raised(-3))") == "-3"


def test_without_the_right_to_nothing_changes_and_nothing_breaks() -> None:
    code = """
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
before = os.getpriority(os.PRIO_PROCESS, 0)
print(priority.raised(-10) - before)
priority.give_child(os.getpid(), 5)
print(os.getpriority(os.PRIO_PROCESS, 0) - before)
"""
    if os.getpriority(os.PRIO_PROCESS, 0) < 0:
        pytest.skip("is raised already")
    assert in_a_process(code).split() == ["0", "0"]


def test_supervisor_before_guide_and_sessions_with_their_leaders() -> None:
    if not may_raise():
        pytest.skip("needs the right to raise priorities")
    code = """
import subprocess
print(priority.raised(-10))
child = subprocess.Popen(["sleep", "20"], start_new_session=True)
priority.give_child(child.pid, priority.GUIDE - priority.SUPERVISOR)
print(os.getpriority(os.PRIO_PROCESS, child.pid))
for pid in (os.getpid(), child.pid):
    path = f"/proc/{pid}/autogroup"
    print(open(path).read().split()[-1] if os.path.exists(path) else "none")
child.kill()
"""
    own, guide, *sessions = in_a_process(code).split()
    assert (own, guide) == ("-10", "-5")
    assert sessions in (["-10", "-5"], ["none", "none"])


def test_what_is_raised_already_stays(tmp_path: Path) -> None:
    if not may_raise():
        pytest.skip("needs the right to raise priorities")
    assert in_a_process("os.setpriority(os.PRIO_PROCESS, 0, -12); print(priority.raised())") == (
        "-12"
    )
    priority.give(os.getpid(), os.getpriority(os.PRIO_PROCESS, 0), tmp_path)  # no such kernel
