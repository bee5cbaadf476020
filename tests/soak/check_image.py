"""Build what the Dockerfile builds, without Docker, and try it as the image's user.

    scripts/check_image [--folder FOLDER]

Reads deploy/docker/Dockerfile and does its steps in a clean Debian that debootstrap makes:
COPY copies, RUN runs inside, ENV, USER and WORKDIR hold from there on. Then, as that user:
`sonar doctor`, `sonar replay` of the demo's recording, and the ENTRYPOINT over a made-up scene
until the HEALTHCHECK is content. Needs root, debootstrap and network; not Docker. What stays
untried: Docker itself, a camera, a sound card.
"""

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
DOCKERFILE = REPO / "deploy/docker/Dockerfile"
MIRROR_SUITES = {"debian:bookworm-slim": "bookworm"}
KNOWN = (
    *("FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "VOLUME"),
    *("HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT"),
)
# How this machine reaches the network; not part of the image.
SURROUNDINGS = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf")
PASSED_ON = re.compile(r"^(PIP_|SSL_CERT_|https?_proxy$|no_proxy$)", re.IGNORECASE)


def instructions(text: str) -> list[tuple[str, str]]:
    """(NAME, rest) of each; raises ValueError for one that this script does not know."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            if name not in KNOWN:
                raise ValueError(f"the Dockerfile's {name} is not known to this script")
            found.append((name, rest.strip()))
    return found


@dataclass
class Image:
    """A root folder, and what holds in it."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    user: str = ""
    folder: str = "/"
    health: Sequence[str] = ()
    entry: Sequence[str] = ()

    def command(self, words: Sequence[str]) -> list[str]:
        """``words`` inside, as the image's user."""
        passed_on = {k: v for k, v in os.environ.items() if PASSED_ON.match(k)}
        settings = [f"{k}={v}" for k, v in {**passed_on, **self.env}.items()]
        spec = [f"--userspec={self.user}"] if self.user else []
        script = f"cd {shlex.quote(self.folder)} && exec {shlex.join(words)}"
        return ["chroot", *spec, str(self.root), "env", "-i", *settings, "/bin/sh", "-c", script]

    def run(self, words: Sequence[str], limit_s: float = 900.0) -> subprocess.CompletedProcess[str]:
        """Ends this script when the command fails."""
        print("+", shlex.join(words), flush=True)
        done = subprocess.run(self.command(words), capture_output=True, text=True, timeout=limit_s)
        print(done.stdout, end="")
        if done.returncode:
            raise SystemExit(f"{shlex.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done

    def do(self, name: str, rest: str) -> None:
        """One instruction of the Dockerfile."""
        words = shlex.split(rest) if name in ("COPY", "ENV", "ENTRYPOINT") else []
        if name == "FROM":
            self.bootstrap(MIRROR_SUITES[rest])
        elif name == "COPY":
            self.copy(words[:-1], words[-1])
        elif name == "RUN":
            self.run(["sh", "-c", rest])
        elif name == "ENV":
            for word in words:
                key, _, value = word.partition("=")
                self.env[key] = value.replace("$PATH", self.env["PATH"])
        elif name == "USER":
            self.user = rest
        elif name == "WORKDIR":
            self.folder = rest
        elif name == "HEALTHCHECK":
            self.health = _words(rest.partition("CMD")[2])
        elif name == "ENTRYPOINT":
            self.entry = _words(rest)

    def bootstrap(self, suite: str) -> None:
        if not (self.root / "usr/bin/apt-get").exists():
            print(f"+ debootstrap {suite}", flush=True)
            subprocess.run(
                ["debootstrap", "--variant=minbase", suite, str(self.root)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        for name in SURROUNDINGS:
            if Path(name).exists():
                shutil.copy(Path(name).resolve(), self.root / name.lstrip("/"))
        for folder in ("/etc/ssl/certs", "/usr/local/share/ca-certificates"):
            if Path(folder).is_dir():  # a proxy may have an authority of its own
                shutil.copytree(folder, self.root / folder.lstrip("/"), dirs_exist_ok=True)
        for proxy in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
            shutil.copy(proxy, self.root / "etc/apt/apt.conf.d")
        subprocess.run(["mount", "-t", "proc", "proc", str(self.root / "proc")], check=True)
        (self.root / "dev/shm").mkdir(exist_ok=True)
        shm = ["mount", "-t", "tmpfs", "tmpfs", str(self.root / "dev/shm")]
        subprocess.run(shm, check=True)

    def copy(self, sources: Sequence[str], target: str) -> None:
        into = self.root / target.lstrip("/")
        for source in sources:
            path = REPO / source
            print(f"+ copy {source} to {target}", flush=True)
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, into, dirs_exist_ok=True, ignore=ignored)
            else:
                place = into / path.name if target.endswith("/") else into
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)

    def close(self) -> None:
        for inside in ("dev/shm", "proc"):
            subprocess.run(["umount", "-q", "-l", str(self.root / inside)], check=False)


def _words(listed: str) -> list[str]:
    """``["a", "b"]`` as the Dockerfile has it."""
    return re.findall(r'"([^"]*)"', listed)


def try_out(image: Image) -> None:
    """As the image's user: doctor, a replay, and the service until it is healthy."""
    image.run(["id"])
    image.run(["sonar", "--version"])
    doctor = image.command(["sonar", "--plain", "doctor"])
    done = subprocess.run(doctor, capture_output=True, text=True, timeout=120)
    print(f"+ sonar --plain doctor (ended with {done.returncode})\n{done.stdout}", end="")
    for line in ("model: OK", "speech: OK"):  # there is neither camera nor sound card here
        if line not in done.stdout:
            raise SystemExit(f"sonar doctor does not say {line!r}")
    where = "import sonar.demo, pathlib; print(pathlib.Path(sonar.demo.__file__).parent)"
    clip = image.run(["python", "-c", where]).stdout.strip() + "/walk.mp4"
    image.run(["sonar", "--plain", "replay", clip, "--out", "/var/lib/sonar/replayed"])
    results = sorted(path.name for path in (image.root / "var/lib/sonar/replayed").iterdir())
    print("  ".join(results))
    if not {"annotated.mp4", "audio.wav"} <= set(results):
        raise SystemExit("the replay left something out")
    serve(image)


def serve(image: Image) -> None:
    """The ENTRYPOINT over a made-up scene, without a sound card, until the HEALTHCHECK succeeds."""
    image.env |= {"SONAR_SOURCE": "synthetic:wall"}
    words = [*image.entry[:1], "--set", "audio.output=null", *image.entry[1:]]
    print("+", shlex.join(words), flush=True)
    service = subprocess.Popen(
        image.command(words), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        for _ in range(60):
            time.sleep(1.0)
            asked = subprocess.run(image.command(image.health), capture_output=True, text=True)
            if asked.returncode == 0:
                print(f"+ {shlex.join(image.health)}\n{asked.stdout}", end="")
                break
            if service.poll() is not None:
                break
        else:
            asked.returncode = 1
        service.send_signal(signal.SIGTERM)
        stopping = time.monotonic()
        code = service.wait(10)
        print(f"stopped by SIGTERM after {time.monotonic() - stopping:.1f} s, exit code {code}")
        if asked.returncode or code:
            raise SystemExit("it never was healthy, or did not end well")
    finally:
        if service.poll() is None:
            os.killpg(service.pid, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, help="kept; otherwise a temporary one")
    given = parser.parse_args().folder
    if os.getuid() != 0 or shutil.which("debootstrap") is None:
        raise SystemExit("needs root and debootstrap (apt-get install debootstrap)")
    root = given or Path(tempfile.mkdtemp(prefix="sonar-image-"))
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)  # the image's user enters it too
    image = Image(root)
    try:
        for name, rest in instructions(DOCKERFILE.read_text("utf-8")):
            image.do(name, rest)
        try_out(image)
        used = subprocess.run(
            ["du", "-sxm", str(root / "opt/sonar")], capture_output=True, text=True
        ).stdout.split()[0]
        print(f"The image's steps work: {used} MB in /opt/sonar.")
    finally:
        image.close()
        if given is None:
            shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
