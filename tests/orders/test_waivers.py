"""豁免: a second person lets a warning pass, for one order, one check and the figures it showed."""

import json

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from erp.kernel.acting import acting
from erp.kernel.canonical import sha256
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import User
from logistics.models import Shipment
from orders.models import ClosingRecord, Order, Waiver
from orders.services import lifecycle, proof, waiving
from orders.services.catalogue import ReasonDoesNotApply, ReasonNeedsNote, ReasonUnknown
from orders.services.documents import OrderIsFinal
from orders.services.waiving import MachineWaiver, NothingToWaive, WaivesOwn
from tests.database import reading_only, unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.orders.closings import (
    also_closer,
    blockers,
    close,
    review_as_it_is,
    set_policy,
    waive,
    without_tracking,
)

pytestmark = pytest.mark.django_db

CODE = "logistics.tracking_missing"
DUTY = "finance.conflict_of_duty"


@pytest.fixture(autouse=True)
def _people(db: None) -> None:
    """There before a test looks at what changes."""
    for role in ("closer", "chief_accountant"):
        actor(role)


def also_chief(role: str) -> User:
    user = actor(role)
    user.groups.add(actor("chief_accountant").groups.get())
    return User.objects.get(pk=user.pk)


def test_a_waived_warning_stops_closing_no_more() -> None:
    order = without_tracking()
    assert blockers(order) == [CODE]

    waiver = waive(order, CODE)

    assert (waiver.order, waiver.code, waiver.by, waiver.why) == (
        order,
        CODE,
        actor("chief_accountant"),
        "WV01 客户已确认",
    )
    assert json.loads(waiver.figures) == {"number": order.number, "shipments": [Shipment.objects.get().number]}
    assert waiver.digest == sha256(waiver.figures)
    assert close(order).done
    assert list(proof.faults()) == []


def test_a_waiver_raises_the_orders_version() -> None:
    order = without_tracking()

    waive(order, CODE)

    assert Order.objects.get(pk=order.pk).version == order.version + 1


def test_a_warning_shown_as_waived_keeps_its_sentence() -> None:
    order = without_tracking()
    waive(order, CODE)

    outcome = lifecycle.preview("close", [order.pk], decide(actor("closer")))[order.pk]

    (finding,) = (finding for finding in outcome.findings if finding.code == CODE)
    assert (finding.level, finding.is_blocker, finding.hint) == ("waived", False, "")
    assert Shipment.objects.get().number in finding.message


def test_the_closing_record_names_both_persons_when_and_why() -> None:
    order = without_tracking()
    waiver = waive(order, CODE)

    close(order)

    content = ClosingRecord.objects.get().data
    chief, dispatcher = actor("chief_accountant"), actor("logistician")
    assert content["policy"] == {CODE: "warn"}
    assert {finding["code"]: finding["level"] for finding in content["findings"]}[CODE] == "waived"
    assert content["waivers"] == [
        {
            "code": CODE,
            "digest": waiver.digest,
            "by": {"id": str(chief.pk), "name": chief.name},
            "at": waiver.at.isoformat(timespec="microseconds"),
            "why": "WV01 客户已确认",
            "caused_by": [{"id": str(dispatcher.pk), "name": dispatcher.name}],
        }
    ]


def test_with_other_figures_a_waiver_holds_no_more() -> None:
    order = without_tracking()
    waive(order, CODE)
    Shipment.objects.update(number="SH-2000-000001")
    review_as_it_is(order)

    assert blockers(order) == [CODE]
    assert waive(order, CODE)
    assert blockers(order) == []


def test_a_waiver_holds_for_its_own_order_only() -> None:
    waived, other = without_tracking(), without_tracking()
    waive(waived, CODE)

    assert blockers(other) == [CODE]


def test_a_conflict_of_duty_that_only_warns_is_waived_for_the_closer_named() -> None:
    order = OrderFactory(reviewed=True)
    set_policy(DUTY, "warn")
    closer = also_closer("accountant")
    assert blockers(order, closer) == [DUTY]

    waive(order, DUTY, closer=closer)

    assert close(order, closer).done
    assert ClosingRecord.objects.get().data["waivers"][0]["caused_by"] == [{"id": str(closer.pk), "name": closer.name}]
    assert list(proof.faults()) == []


def test_whoever_waived_does_not_close() -> None:
    order = without_tracking()
    chief = also_closer("chief_accountant")
    waive(order, CODE, chief)

    assert blockers(order, chief) == ["orders.conflict_of_duty"]
    assert close(order).done


def test_where_policy_lets_them_they_close_too_and_the_record_proves_it() -> None:
    order = without_tracking()
    chief = also_closer("chief_accountant")
    waive(order, CODE, chief)
    set_policy("orders.conflict_of_duty", "ignore")

    close(order, chief)

    assert ClosingRecord.objects.get().data["policy"] == {CODE: "warn", "orders.conflict_of_duty": "ignore"}
    assert list(proof.faults()) == []


def test_a_third_person_may_waive_that_the_second_closes() -> None:
    order = without_tracking()
    chief = also_closer("chief_accountant")
    waive(order, CODE, chief)
    set_policy("orders.conflict_of_duty", "warn")

    waive(order, "orders.conflict_of_duty", UserFactory(role="chief_accountant"), closer=chief)

    assert close(order, chief).done
    assert len(ClosingRecord.objects.get().data["waivers"]) == 2
    assert list(proof.faults()) == []


def test_whoever_caused_a_warning_does_not_waive_it() -> None:
    dispatcher = also_chief("logistician")
    order = without_tracking(shipped_by=dispatcher)

    with unchanged(), pytest.raises(WaivesOwn):
        waive(order, CODE, dispatcher)


def test_nobody_waives_for_their_own_closing() -> None:
    order = OrderFactory(reviewed=True)
    set_policy(DUTY, "warn")
    also_closer("accountant")
    both = also_chief("accountant")
    chief_and_closer, unnumbered = also_closer("chief_accountant"), without_tracking()

    with unchanged(), pytest.raises(WaivesOwn):
        waive(order, DUTY, both, closer=both)
    with unchanged(), pytest.raises(WaivesOwn):
        waive(order, DUTY, both)
    with unchanged(), pytest.raises(WaivesOwn):
        waive(unnumbered, CODE, chief_and_closer, closer=chief_and_closer)


@pytest.mark.parametrize(
    "code", ["finance.unpaid", "orders.review_missing", "orders.wrong_state", "logistics.tracking_missing", "x", ""]
)
def test_only_a_warning_is_waived(code: str) -> None:
    order = OrderFactory(completed=True)

    with unchanged(), pytest.raises(NothingToWaive):
        waive(order, code)


def test_what_blocks_by_policy_is_not_waived() -> None:
    order = without_tracking()
    set_policy(CODE, "block")

    with unchanged(), pytest.raises(NothingToWaive):
        waive(order, CODE)


def test_a_warning_is_waived_once() -> None:
    order = without_tracking()
    waive(order, CODE)

    with unchanged(), pytest.raises(NothingToWaive):
        waive(order, CODE)


@pytest.mark.parametrize("name", ["closer", "accountant", "salesperson", "auditor"])
def test_others_do_not_waive(name: str) -> None:
    order = without_tracking()
    user = actor(name)

    with unchanged(), pytest.raises(Forbidden):
        waive(order, CODE, user)


def test_out_of_scope_is_not_found() -> None:
    order = without_tracking()
    stranger = UserFactory(shops=[ShopFactory()])
    stranger.user_permissions.add(*actor("chief_accountant").groups.get().permissions.filter(codename="waive_check"))

    with unchanged(), pytest.raises(NotFound):
        waive(order, CODE, User.objects.get(pk=stranger.pk))


def test_a_closer_who_may_not_close_is_not_found() -> None:
    order = OrderFactory(reviewed=True)

    with unchanged(), pytest.raises(NotFound):
        waive(order, DUTY, closer=actor("accountant"))


def test_a_machine_does_not_waive() -> None:
    order = without_tracking()
    machine = UserFactory(role="chief_accountant", kind=User.Kind.MACHINE)

    with unchanged(), pytest.raises(MachineWaiver):
        waive(order, CODE, machine)


@pytest.mark.parametrize(
    ("reason", "note", "error"),
    [("", "x", ReasonUnknown), ("CL01", "x", ReasonDoesNotApply), ("WV01", " ", ReasonNeedsNote)],
)
def test_a_waiver_needs_its_reason_and_a_note(reason: str, note: str, error: type[Exception]) -> None:
    order = without_tracking()

    with unchanged(), pytest.raises(error):
        waive(order, CODE, reason=reason, note=note)


def test_nothing_of_a_closed_order_is_waived() -> None:
    order = OrderFactory(closed=True)

    with unchanged(), pytest.raises(OrderIsFinal):
        waive(order, CODE)


def test_who_may_waive_is_offered_each_warning_whoever_closes() -> None:
    order = without_tracking()
    set_policy(DUTY, "warn")
    closer = also_closer("accountant")
    decision = decide(actor("chief_accountant"))

    with reading_only():
        offered = [(finding.code, who) for finding, who in waiving.waivable(order, decision)]

    assert offered == [(CODE, None), (DUTY, closer)]


def test_one_s_own_warnings_are_not_offered() -> None:
    dispatcher = also_chief("logistician")
    order = without_tracking(shipped_by=dispatcher)

    assert list(waiving.waivable(order, decide(dispatcher))) == []


def test_the_database_keeps_one_waiver_for_the_same_figures_and_none_without_reason() -> None:
    waiver = waive(without_tracking(), CODE)
    values = {"order": waiver.order, "code": waiver.code, "figures": waiver.figures}

    for digest, why in ((waiver.digest, "x"), (sha256("x"), "")):
        with acting(decide(actor("chief_accountant"))), pytest.raises(IntegrityError), transaction.atomic():
            Waiver.objects.create(**values, digest=digest, why=why)


def test_a_waiver_is_never_changed_or_deleted() -> None:
    waiver = waive(without_tracking(), CODE)

    for change in (lambda: Waiver.objects.update(at=timezone.now()), waiver.delete):
        with pytest.raises(IntegrityError, match="refused by the database"), transaction.atomic():
            change()
