"""Steps: how apps take part in an order's life by settings alone, and how a wrong setting is found."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.utils.translation import override

from orders import contract
from orders.checks import order_steps, review_blocks
from orders.contract import Block, Check, Effect, Finding, Level, Step
from orders.models import Order, Status
from orders.services.closing import close_orders
from tests.factories import OrderFactory, decide
from tests.orders.steps import NeedsCredit

pytestmark = pytest.mark.django_db

CLOSE = django_settings.ORDER_STEPS["close"]


@pytest.fixture
def credit_check() -> Iterator[Check]:
    """What the app of ``tests.orders.steps`` would declare beside its steps."""
    check = Check(
        NeedsCredit.CODE,
        Block.MONEY,
        passed="%(name)s has credit.",
        blocked="%(name)s has no credit.",
        hint="Ask %(name)s for a deposit.",
        role="Finance",
    )
    yield check
    del contract._checks[check.code]


def test_a_step_named_in_settings_alone_blocks_closing(
    set_steps: Callable[..., None], credit_check: Check, closer: Any
) -> None:
    good, bad = OrderFactory(reviewed=True), OrderFactory(reviewed=True, customer={"name": NeedsCredit.BLOCKED})
    set_steps("close", "tests.orders.steps.NeedsCredit", *CLOSE)

    outcomes = close_orders([good.pk, bad.pk], decision=decide(closer, reason="CL01"))

    assert [outcome.order_id for outcome in outcomes.done] == [good.pk]
    (finding,) = outcomes[bad.pk].blockers
    assert (finding.message, finding.hint, finding.role) == (
        "赖账 has no credit.",
        "Ask 赖账 for a deposit.",
        "Finance",
    )
    assert Order.objects.get(pk=bad.pk).status == Status.COMPLETED


def test_a_step_taken_out_of_settings_takes_no_part(set_steps: Callable[..., None], closer: Any) -> None:
    order = OrderFactory(completed=True, unpaid=True)
    set_steps("close", "logistics.steps.ProveShipped")

    close_orders([order.pk], decision=decide(closer, reason="CL01"))

    assert Order.objects.get(pk=order.pk).status == Status.CLOSED


def test_the_configured_steps_are_in_order() -> None:
    assert order_steps() == []
    assert review_blocks() == []
    assert {error.id for error in run_checks()} & {f"orders.E00{no}" for no in range(1, 10)} == set()


@pytest.mark.parametrize(
    ("transition", "paths", "error"),
    [
        ("teleport", [], "orders.E001"),
        ("close", ["nowhere.steps.Missing"], "orders.E002"),
        ("close", ["orders.steps.Missing"], "orders.E002"),
        ("close", ["orders.steps.REVIEW_STALE"], "orders.E002"),
        ("close", ["orders.models.Order"], "orders.E002"),
        ("close", ["tests.orders.steps.WrongChecks"], "orders.E002"),
        ("close", ["tests.orders.steps.LocksChain", "tests.orders.steps.LocksStock"], "orders.E003"),
        ("close", [*reversed(CLOSE)], "orders.E003"),
        ("close", [path for path in CLOSE if path != "inventory.steps.ProveStock"], "orders.E005"),
        ("close", CLOSE[:-1], "orders.E006"),
        ("close", [*CLOSE, "tests.orders.steps.LocksChain"], "orders.E006"),
        ("reopen", ["finance.steps.ReverseSettlement"], "orders.E006"),
        ("reopen", ["orders.steps.SealRecord"], "orders.E006"),
    ],
)
def test_a_wrong_setting_is_found_by_the_system_check(
    settings: Any, transition: str, paths: list[str], error: str
) -> None:
    settings.ORDER_STEPS = {**settings.ORDER_STEPS, transition: paths}

    assert {found.id for found in order_steps()} == {error}


@pytest.mark.parametrize("path", ["nowhere.facts", "orders.facts.nothing", "orders.steps.NORMAL"])
def test_facts_and_period_checks_that_cannot_be_called_are_found(settings: Any, path: str) -> None:
    blocks = settings.REVIEW_BLOCKS
    settings.REVIEW_BLOCKS = {**blocks, "order": {**blocks["order"], "facts": path}}
    settings.PERIOD_CHECKS = [*settings.PERIOD_CHECKS, path]

    assert [error.id for error in review_blocks()] == ["orders.E004"] * 2


def test_a_code_is_declared_once(credit_check: Check) -> None:
    with pytest.raises(AssertionError, match="declared twice"):
        Check(credit_check.code, Block.MONEY, "", "", "", "")


def test_a_finding_is_rendered_in_the_readers_language() -> None:
    finding = contract.check_of("finance.payment_unconfirmed").finding(Order(pk=1), True)

    with override("en"):
        english = finding.message
    with override("zh-hans"):
        chinese = finding.message

    assert english == "Every reported payment is confirmed or rejected."
    assert chinese != english


def test_a_finding_that_holds_has_nothing_to_do() -> None:
    check = contract.check_of("finance.payment_unconfirmed")

    passed, blocked = (check.finding(Order(pk=1), ok, number="", pending="", payments="") for ok in (True, False))

    assert (passed.level, passed.hint) == (Level.PASSED, "")
    assert (blocked.level, bool(blocked.hint)) == (Level.BLOCKER, True)
    assert (blocked.block, blocked.order_id) == (Block.MONEY, 1)
    assert Finding(None, check.code, Level.PASSED).order_id is None


def test_a_step_that_says_nothing_takes_part_in_silence(set_steps: Callable[..., None], closer: Any) -> None:
    order = OrderFactory(reviewed=True)
    set_steps("close", *CLOSE, "tests.orders.steps.LocksChain")

    (outcome,) = close_orders([order.pk], decision=decide(closer, reason="CL01"))

    assert outcome.done
    assert Step().evidence(None) == {}  # type: ignore[arg-type]


def test_an_effect_describes_itself() -> None:
    with pytest.raises(TypeError, match="Effect does not describe itself"):
        Effect(1).describe()
