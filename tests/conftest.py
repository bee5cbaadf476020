"""What all tests share."""

import ctypes
import ctypes.util
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("sonar", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("sonar")

_FE_DFL_ENV = ctypes.c_void_p(-1)  # glibc, x86-64 and aarch64


@pytest.fixture(autouse=True)
def usual_floats() -> Iterator[None]:
    """Depth engines flush denormals in the thread that runs them; the next test's are back."""
    yield
    name = ctypes.util.find_library("m")
    if name is not None:
        ctypes.CDLL(name).fesetenv(_FE_DFL_ENV)
