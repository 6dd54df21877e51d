"""What commands show on a terminal, and do not write into files and pipes."""

from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from erp.management.base import progress, table, width


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_that_ends_full() -> None:
    terminal = Terminal()

    assert list(progress(OutputWrapper(terminal), range(3), "Rows")) == [0, 1, 2]

    *_steps, last = terminal.getvalue().split("\r")
    assert last.startswith("Rows █")
    assert "░" not in last
    assert last.endswith("3 / 3\n")


def test_very_many_items_take_about_a_hundred_steps() -> None:
    terminal = Terminal()

    assert len(list(progress(OutputWrapper(terminal), range(100_000), "Rows"))) == 100_000

    assert 90 < terminal.getvalue().count("\r") < 110


@pytest.mark.parametrize(("stream", "count"), [(StringIO(), 1000), (Terminal(), 1), (Terminal(), 0)])
def test_pipes_and_short_work_get_no_bar(stream: StringIO, count: int) -> None:
    assert len(list(progress(OutputWrapper(stream), range(count), "Rows"))) == count

    assert stream.getvalue() == ""


def test_columns_are_aligned_though_chinese_takes_two() -> None:
    lines = list(table([["仓管员", "a"], ["x", "b"]]))

    assert [width(line) for line in lines] == [9, 9]
