"""Settings that name steps are read once per process: tests that change them start and end with a fresh reading."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orders import contract


@pytest.fixture
def set_steps(settings: Any) -> Iterator[Callable[..., None]]:
    """``set_steps("close", "path.of.Step", …)`` replaces the steps of one transition."""

    def replace(transition: str, *paths: str) -> None:
        settings.ORDER_STEPS = {**settings.ORDER_STEPS, transition: list(paths)}
        contract._steps.cache_clear()

    yield replace
    contract._steps.cache_clear()
