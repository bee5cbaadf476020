"""scripts/setup, test and demo on machines that lack this or that: everything outside is a fake."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

# In place of python3 and for .venv/bin/python; what it does is written to $CALLS.
PYTHON = f"""#!{shutil.which("bash")}
case "$*" in
*sys.version_info*) [[ -z ${{OLD_PYTHON:-}} ]] ;;
*ensurepip*) [[ -z ${{NO_VENV:-}} ]] ;;
"-m venv "*)
    [[ -z ${{NO_VENV:-}} ]] || exit 1
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "venv" >>"$CALLS" ;;
"-m pip "*)
    echo "pip ${{*: -1}}" >>"$CALLS"
    [[ -z ${{PIP_FAILS:-}} ]] || {{ echo "ERROR: no network today"; exit 1; }} ;;
*ctypes*) [[ " ${{LIBRARIES-}} " == *" ${{*: -1}} "* ]] ;;
"-m pytest"*) echo "pytest ${{*:3}} in $PWD" >>"$CALLS" ;;
"-m sonar"*) echo "sonar ${{*:3}} in $PWD" >>"$CALLS" ;;
--version) echo "Python 3.12.0" ;;
*) exec {sys.executable} "$@" ;;
esac
"""
TOOLS = (
    *("bash", "cat", "cp", "dirname", "env", "grep", "mkdir", "paste", "rm", "sha256sum", "sort"),
    *("tail", "true"),
)
ALL = "libespeak-ng.so.1 libportaudio.so.2"


class Machine:
    """A repository and a PATH with only what is wanted on it."""

    def __init__(self, folder: Path) -> None:
        self.repo, self.bin, self.calls_file = folder / "a repo", folder / "bin", folder / "calls"
        (self.repo / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("setup", "test", "demo"):
            shutil.copy(REPO / "scripts" / name, self.repo / "scripts" / name)
        shutil.copy(REPO / "pyproject.toml", self.repo)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        self.put("python3", PYTHON)
        self.put("id", "#!/bin/sh\necho 1000\n")
        self.put("uname", "#!/bin/sh\necho Linux\n")

    def put(self, name: str, text: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def apt(self, *, root: bool, sudo: str = "", first_fails: bool = False) -> None:
        self.put("id", f"#!/bin/sh\necho {0 if root else 1000}\n")
        self.put(
            "apt-get",
            '#!/bin/sh\necho "apt-get $*" >>"$CALLS"\n'
            + ('grep -q " update" "$CALLS" || exit 100\n' if first_fails else ""),
        )
        if sudo:
            self.put("sudo", f'#!/bin/sh\n{sudo}\nshift\nexec "$@"\n')

    def run(
        self, script: str = "setup", *arguments: str, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.repo / "scripts" / script), *arguments],
            env={"PATH": str(self.bin), "CALLS": str(self.calls_file), "LIBRARIES": ALL} | env,
            cwd=cwd or self.repo.parent,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def calls(self, word: str = "") -> list[str]:
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if line.startswith(word)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_second_time_nothing_is_done_and_nothing_said(machine: Machine) -> None:
    first = machine.run()
    assert first.returncode == 0, first.stderr
    assert machine.calls() == ["venv", f"pip {machine.repo}"]
    second = machine.run()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert machine.calls() == ["venv", f"pip {machine.repo}"]


def test_extras_add_up_and_a_smaller_wish_is_met(machine: Machine) -> None:
    for wish in ("", "dev", "sim,dev", "dev", ""):
        assert machine.run("setup", wish).returncode == 0
    assert machine.calls("pip") == [
        f"pip {machine.repo}",
        f"pip {machine.repo}[dev]",
        f"pip {machine.repo}[dev,sim]",
    ]


def test_a_changed_pyproject_is_installed_with_the_same_extras(machine: Machine) -> None:
    machine.run("setup", "dev")
    with (machine.repo / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    machine.run("setup")
    assert machine.calls("pip") == [f"pip {machine.repo}[dev]"] * 2


def test_a_moved_repository_is_installed_anew(machine: Machine) -> None:
    machine.run()
    machine.repo = machine.repo.rename(machine.repo.with_name("elsewhere"))
    machine.run()
    assert machine.calls("pip")[-1] == f"pip {machine.repo}"


def test_a_failed_install_is_one_sentence_and_tried_again(machine: Machine) -> None:
    failed = machine.run(PIP_FAILS="1")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "no network today" in failed.stderr and "setup.log" in failed.stderr
    assert machine.run().returncode == 0
    assert len(machine.calls("pip")) == 2


@pytest.mark.parametrize("broken", ["OLD_PYTHON", "NO_VENV"])
def test_a_missing_python_is_one_sentence(machine: Machine, broken: str) -> None:
    failed = machine.run(**{broken: "1"})
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "apt-get install" in failed.stderr and "python3-venv" in failed.stderr


def test_a_wrong_list_of_extras_is_refused(machine: Machine) -> None:
    for wish in ("dev,", "dev sim", "--dev", "dev]; rm -rf x"):
        failed = machine.run("setup", wish)
        assert failed.returncode == 1 and "list of extras" in failed.stderr
    assert machine.calls() == []


@pytest.mark.parametrize(
    ("libraries", "packages", "without"),
    [
        ("", "espeak-ng libportaudio2", "spoken warnings, sound from the sound card"),
        ("libportaudio.so.2", "espeak-ng", "spoken warnings"),
        ("libespeak-ng.so.1", "libportaudio2", "sound from the sound card"),
    ],
)
@pytest.mark.parametrize("sudo", ["", "exit 1"])
def test_who_may_not_install_gets_one_line(
    machine: Machine, libraries: str, packages: str, without: str, sudo: str
) -> None:
    machine.apt(root=False, sudo=sudo)
    done = machine.run(LIBRARIES=libraries)
    assert done.returncode == 0
    wanted = f"setup: to have {without}, run: sudo apt-get install {packages}"
    assert done.stdout.splitlines()[-1] == wanted
    assert machine.calls("apt-get") == []
    assert machine.run(LIBRARIES=libraries).stdout.splitlines() == [wanted]  # each time, until done


@pytest.mark.parametrize(("root", "sudo"), [(True, ""), (False, ":")])
@pytest.mark.parametrize("first_fails", [False, True])
def test_who_may_install_gets_the_packages(
    machine: Machine, root: bool, sudo: str, first_fails: bool
) -> None:
    machine.apt(root=root, sudo=sudo, first_fails=first_fails)
    done = machine.run(LIBRARIES="")
    assert done.returncode == 0, done.stderr
    calls = machine.calls("apt-get")
    assert calls[-1].endswith("install --no-install-recommends espeak-ng libportaudio2")
    assert sum(" update" in call for call in calls) == first_fails
    assert "to have" not in done.stdout


def test_a_failed_apt_is_reported_and_not_fatal(machine: Machine) -> None:
    machine.apt(root=True)
    machine.put("apt-get", "#!/bin/sh\nexit 100\n")
    done = machine.run(LIBRARIES="")
    assert done.returncode == 0
    assert "sudo apt-get install espeak-ng libportaudio2" in done.stdout


def test_the_system_can_be_left_alone(machine: Machine) -> None:
    machine.apt(root=True)
    machine.run(LIBRARIES="", SONAR_SETUP_NO_APT="1")
    assert machine.calls("apt-get") == []


def test_test_runs_pytest_in_the_repository(machine: Machine) -> None:
    assert machine.run("test", "-k", "two words").returncode == 0
    assert machine.calls("pip") == [f"pip {machine.repo}[dev]"]
    assert machine.calls("pytest") == [
        f"pytest -q -m not realtime -n auto --dist loadfile -k two words in {machine.repo}",
        f"pytest -q -m realtime -k two words in {machine.repo}",
    ]
    assert machine.run("test", "--extras", "sim,midas", "-x").returncode == 0
    assert machine.run("test", "--extras=openvino").returncode == 0
    assert machine.calls("pip")[1:] == [
        f"pip {machine.repo}[dev,midas,sim]",
        f"pip {machine.repo}[dev,midas,openvino,sim]",
    ]
    assert machine.run("test", "--extras").returncode == 2


def test_demo_runs_sonar_where_the_user_is(machine: Machine, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    assert machine.run("demo", "--plain", cwd=here).returncode == 0
    assert machine.calls("sonar") == [f"sonar demo --plain in {here}"]


@pytest.mark.parametrize("script", ["setup", "test", "demo"])
def test_scripts_are_executable(script: str) -> None:
    assert os.access(REPO / "scripts" / script, os.X_OK)


def test_ci_is_executable_and_strict() -> None:
    text = (REPO / ".ci/run").read_text()
    assert os.access(REPO / ".ci/run", os.X_OK)
    assert "set -euo pipefail" in text and "./scripts/test" in text
