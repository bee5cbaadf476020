"""How many threads a network gets where a container may not use the whole machine."""

import os
from pathlib import Path

import psutil
import pytest

from sonar.depth import backends as threads


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        (  # the limit of the group above holds too
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
            },
            2.0,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, None),
        ({}, None),
    ],
)
def test_a_containers_quota(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    assert threads.quota_cores(write(tmp_path, files)) == cores


@pytest.mark.parametrize(("quota", "count"), [(None, 7), (4.0, 3), (2.5, 2), (0.5, 1)])
def test_threads_follow_the_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, count: int
) -> None:
    monkeypatch.setattr(threads, "physical_cores", lambda: 8)
    monkeypatch.setattr(threads, "quota_cores", lambda: quota)
    assert threads.thread_count(0) == count
    assert threads.thread_count(5) == 5  # as asked


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 2), (3, 3), (4, 3), (8, 7)])
def test_one_core_is_left_from_four_on(
    monkeypatch: pytest.MonkeyPatch, cores: int, count: int
) -> None:
    monkeypatch.setattr(threads, "physical_cores", lambda: cores)
    monkeypatch.setattr(threads, "quota_cores", lambda: None)
    assert threads.thread_count(0) == count


def test_hyper_threads_and_processors_that_may_not_be_used_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 8 if logical else 4)
    for allowed, cores in ((range(8), 4), ({1}, 1)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, allowed=allowed: set(allowed))
        assert threads.physical_cores() == cores
