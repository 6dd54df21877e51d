"""Whatever was done at the same time, every rule holds in the end, and every closing record is proved."""

import sys
from collections.abc import Iterator

import pytest

from erp.kernel import invariants
from orders.services import proof


@pytest.fixture(autouse=True)
def _everything_holds(transactional_db: None) -> Iterator[None]:
    yield
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []


@pytest.fixture(autouse=True)
def _threads_alternate_often() -> Iterator[None]:
    """Acts of a few milliseconds would otherwise mostly run one after the other."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(interval)
