"""Refusals."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.utils.functional import Promise

import erp
import finance
import inventory
import logistics
import orders
from erp.kernel import errors
from erp.kernel.errors import DomainError, NotFound


def _subclasses(of: type[DomainError]) -> Iterator[type[DomainError]]:
    for error in of.__subclasses__():
        yield error
        yield from _subclasses(error)


def _ours() -> list[type[DomainError]]:
    """All of them, also of modules that nothing has imported yet, such as commands."""
    for package in (erp, orders, finance, inventory, logistics):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name and module.name != "erp.wsgi":
                importlib.import_module(module.name)
    return [error for error in _subclasses(DomainError) if not error.__module__.startswith("tests.")]


def test_codes_are_unique() -> None:
    codes = [error.code for error in _ours()]

    assert len(codes) == len(set(codes)) > 30


@pytest.mark.parametrize("error", _ours(), ids=lambda error: error.code)
def test_a_code_begins_with_its_app_and_a_message_is_translatable(error: type[DomainError]) -> None:
    app = apps.get_containing_app_config(error.__module__)

    assert app is not None
    assert re.fullmatch(rf"{app.label}\.[a-z][a-z0-9_]*", error.code)
    assert isinstance(error.message, Promise)


def test_a_refusal_shows_its_figures() -> None:
    assert "SO-1" in str(NotFound(label="order", ids="SO-1"))


class TestEach:
    def _build(self, no: int, item: str) -> int:
        if not item.isdigit():
            raise NotFound(label="number", ids=item)
        return no * int(item)

    def test_builds_every_item(self) -> None:
        assert errors.each(["5", "7"], self._build) == [5, 14]

    def test_says_which_item_is_refused(self) -> None:
        with pytest.raises(NotFound) as refused:
            errors.each(["5", "x"], self._build)

        assert refused.value.item == 2
        assert errors.refusals(refused.value) == [refused.value]

    def test_finds_all_that_are_refused(self) -> None:
        with pytest.raises(errors.SeveralRefused) as refused:
            errors.each(["x", "5", "y"], self._build)

        assert [error.item for error in errors.refusals(refused.value)] == [1, 3]
        assert "x" in str(refused.value)
        assert "y" in str(refused.value)
