"""What is kept without language is read in the reader's."""

import subprocess
import sys
from collections import Counter

import pytest
from django.utils import translation

from orders.words import KEYS, in_words


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_keys_that_stand_side_by_side_have_names_of_their_own(language: str) -> None:
    """Two of one name would hide each other."""
    at_different_levels = {"act", "acts", "document", "documents"}
    with translation.override(language):
        names = Counter(str(name) for key, name in KEYS.items() if key not in at_different_levels)

    assert [name for name, count in names.items() if count > 1] == []


def test_a_content_is_put_into_words_at_every_depth_without_what_is_hidden() -> None:
    content = {"totals": {"cost": "3", "tax": "1"}, "lines": [{"sku": "A", "phone#": "…"}], "other": ""}

    with translation.override("en"):
        assert in_words(content, hide=frozenset({"cost"})) == {
            "Totals": {"Tax included": "1"},
            "Lines": [{"SKU": "A", "Phone": "…"}],
            "other": "",
        }


def test_a_process_that_has_just_begun_knows_the_checks_an_old_record_names() -> None:
    script = (
        "import django; django.setup(); from orders.contract import check_of; print(check_of('finance.unpaid').code)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.stdout == "finance.unpaid\n", done.stderr
