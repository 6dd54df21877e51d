"""What the tests of the back office share."""

from collections.abc import Iterator

import pytest

from erp.kernel import invariants


@pytest.fixture
def everything_still_proves(db: None) -> Iterator[None]:
    yield
    assert list(invariants.broken()) == []
