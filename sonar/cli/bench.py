"""``sonar bench``."""


def bench() -> None: ...
