"""The worked example is told in words, whatever was written beside a reason."""

import pytest
from django.utils.translation import override

from erp.management.demo import story
from tests.factories import OrderFactory, actor
from tests.orders.closings import close

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("note", "told"), [("", "closed the order: CL01 Completed normally"), ("完结", "CL01 Completed normally 完结")]
)
def test_a_closing_is_told_with_its_reason_and_note(note: str, told: str) -> None:
    order = OrderFactory(reviewed=True)
    close(order, actor("closer"), note=note)

    with override("en"):
        lines = "\n".join(story.tell(order))

    assert told in lines
    assert "None" not in lines
