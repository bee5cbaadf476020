"""The fakes that users import: each is exported, explained, and shown in an example that runs."""

import doctest
import importlib
import pkgutil

import pytest

import sonar.testing

MODULES = [
    f"sonar.testing.{module.name}" for module in pkgutil.iter_modules(sonar.testing.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0 and failed == 0


@pytest.mark.parametrize("name", sonar.testing.__all__)
def test_every_fake_says_what_it_is(name: str) -> None:
    assert len(getattr(sonar.testing, name).__doc__ or "") > 20
