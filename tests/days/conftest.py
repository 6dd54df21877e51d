from collections.abc import Iterator

import pytest

from erp.kernel import invariants
from finance.models import OrderBalance
from orders.services import proof
from tests.days.diary import Diary


@pytest.fixture
def diary(db: None) -> Iterator[Diary]:
    """At the end of every day the books prove themselves, and nobody owes anybody anything."""
    yield Diary()
    assert list(invariants.broken()) == []
    assert list(proof.faults()) == []
    assert not OrderBalance.objects.exclude(receivable=0, advance=0).exists()
