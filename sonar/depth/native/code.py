"""Compiling decoder.c for this machine, once, and loading it."""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sonar.depth.artefacts import machine_key
from sonar.depth.models.store import Store
from sonar.depth.native.steps import Step
from sonar.errors import ModelError
from sonar.files import atomic_path

SOURCE = Path(__file__).with_name("decoder.c")
HEADERS = tuple(sorted(SOURCE.parent.glob("*.h")))
LIMIT_S = 60.0
# No -ffast-math: gcc would then switch denormals off for the whole process, and hide NaN.
FLAGS = (
    *("-std=gnu11", "-O3", "-shared", "-fPIC", "-pthread", "-ffp-contract=fast"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
)
X86 = platform.machine().lower() in ("x86_64", "amd64")
WIDE = ("-march=native", "-mprefer-vector-width=512") if X86 else ("-mcpu=native",)


def compiler() -> list[str] | None:
    """The C compiler's command: $CC, or the first of cc, gcc, clang; None where there is none."""
    asked = shlex.split(os.environ.get("CC", ""))
    for command in [asked] if asked else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    return None


def machine_code(store: Store) -> Any:
    """The compiled decoder, loaded; compiled first where it is not in the cache yet.

    Raises ModelError when there is no compiler or it fails, OutputError when the cache cannot be
    written.
    """
    path = _place(store)
    if not path.is_file():
        _compile(path)
    try:
        code = ctypes.CDLL(str(path))
    except OSError as error:
        raise ModelError(f"the compiled decoder {path} cannot be loaded ({error})") from error
    code.sonar_open.restype = ctypes.c_void_p
    code.sonar_open.argtypes = [ctypes.c_int, ctypes.c_size_t]
    code.sonar_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    code.sonar_close.argtypes = [ctypes.c_void_p]
    assert code.sonar_step_bytes() == ctypes.sizeof(Step)
    return code


def can_compile(store: Store) -> bool:
    """Whether :func:`machine_code` has a compiler, or what one made before."""
    return compiler() is not None or _place(store).is_file()


def _place(store: Store) -> Path:
    source = b"".join(path.read_bytes() for path in (SOURCE, *HEADERS))
    text = source + " ".join(FLAGS + WIDE).encode()
    key = hashlib.sha256(text).hexdigest()[:12]
    return store.artefacts_dir / f"decoder-{key}-{machine_key()}.so"


def _compile(path: Path) -> None:
    command = compiler()
    if command is None:
        raise ModelError(
            "engine.backend native needs a C compiler (on Debian: sudo apt install gcc)"
        )
    with atomic_path(path) as temporary:
        try:
            subprocess.run(
                [*command, *FLAGS, *WIDE, str(SOURCE), "-o", str(temporary)],
                check=True,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
            )
        except subprocess.CalledProcessError as error:
            told = (error.stderr or "").strip().split("\n", 1)[0][:200]
            raise ModelError(f"{command[0]} cannot compile the decoder ({told})") from error
        except (subprocess.TimeoutExpired, OSError) as error:
            raise ModelError(f"{command[0]} cannot compile the decoder ({error})") from error
