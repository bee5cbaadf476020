"""A backend without a network."""

import numpy as np

from sonar.errors import DepthError


class FakeBackend:
    """Computes its outputs with a function; by default the mean of the color planes.

    ``failures`` by call, 0 first: an exception is raised, a number fills every output.
    """

    name = "fake"
    precision = "fp32"

    def __init__(self, compute=None, *, failures=None):
        self.calls, self.closed = 0, False
        self._compute = compute or (lambda tensor: {"inverse_depth": tensor.mean(axis=1)})
        self._failures = dict(failures or {})

    def run(self, tensor):
        if self.closed:
            raise DepthError("the depth network was closed")
        call, self.calls = self.calls, self.calls + 1
        failure = self._failures.get(call)
        if isinstance(failure, Exception):
            raise failure
        outputs = self._compute(tensor)
        if failure is not None:
            return {name: np.full_like(value, failure) for name, value in outputs.items()}
        return outputs

    def close(self):
        self.closed = True
