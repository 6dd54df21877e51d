"""The pages of bulk runs, from the order list to the file of results."""

import csv
import io

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.utils import timezone

from erp.bulk.models import BulkRun, ItemState, RunState
from erp.kernel.models import User
from erp.worker.models import Worker
from orders.models import Order
from tests.bulk.test_runs import drafted, started, work
from tests.database import unchanged
from tests.factories import OrderFactory, UserFactory
from tests.site.clicking import changelist, sign_in

pytestmark = pytest.mark.django_db


def address(run: BulkRun, part: str = "") -> str:
    return f"/admin/bulk/{run.pk}/{part}"


def choose(client: Client, orders: list[Order], *, across: bool = False, query: str = "") -> BulkRun:
    data = {"action": "close", ACTION_CHECKBOX_NAME: [order.pk for order in orders], "select_across": int(across)}
    response = client.post(changelist(Order) + query, data)
    run = BulkRun.objects.latest("pk")
    assert response["Location"] == address(run)
    return run


def test_a_selection_is_closed_from_the_list(closer: User) -> None:
    ready, other = OrderFactory(reviewed=True), OrderFactory(reviewed=True)
    client = sign_in(closer)

    run = choose(client, [ready])
    asked = client.get(address(run))
    response = client.post(address(run), {"reason": "CL01", "note": ""}, follow=True)
    work()

    assert asked.status_code == response.status_code == 200
    assert list(run.items.values_list("order", "state")) == [(ready.pk, ItemState.DONE)]
    assert Order.objects.get(pk=other.pk).status == "completed"


def test_a_whole_filtered_view_is_what_the_list_shows(closer: User) -> None:
    completed = OrderFactory.create_batch(3, completed=True, paid=True)
    OrderFactory(processing=True)

    run = choose(sign_in(closer), completed[:1], across=True, query="?status__exact=completed")

    assert set(run.items.values_list("order_id", flat=True)) == {order.pk for order in completed}


def test_whoever_may_not_close_is_neither_offered_it_nor_served(service: User) -> None:
    order, client = OrderFactory(reviewed=True), sign_in(service)

    text = client.get(changelist(Order)).content.decode()
    with unchanged():
        client.post(changelist(Order), {"action": "close", ACTION_CHECKBOX_NAME: [order.pk]})

    assert 'value="close"' not in text


def test_it_is_found_by_whoever_asked_for_it_only(closer: User, salesperson: User) -> None:
    run = drafted(closer, [OrderFactory(reviewed=True)])

    for part in ("", "progress/", "result.csv"):
        assert sign_in(salesperson).get(address(run, part)).status_code == 404
    assert sign_in(salesperson).post(address(run), {"reason": "CL01"}).status_code == 404
    assert sign_in(UserFactory(role="closer")).get(address(run)).status_code == 200


def test_without_a_reason_it_asks_again(closer: User) -> None:
    run = drafted(closer, [OrderFactory(reviewed=True)])

    response = sign_in(closer).post(address(run), {"reason": "", "note": ""})

    assert response.context["form"].errors.keys() == {"reason"}
    run.refresh_from_db()
    assert run.state == RunState.DRAFT


def test_a_form_without_its_token_is_refused(closer: User) -> None:
    run = drafted(closer, [OrderFactory(reviewed=True)])
    client = Client(enforce_csrf_checks=True)
    client.force_login(closer)

    assert client.post(address(run), {"reason": "CL01"}).status_code == 403


def test_it_is_paused_and_goes_on(closer: User) -> None:
    run = started(closer, [OrderFactory(reviewed=True)])
    client = sign_in(closer)

    states = []
    for asked in ("pause", "go_on"):
        client.post(address(run), {asked: "1"})
        run.refresh_from_db()
        states.append(run.state)

    assert states == [RunState.PAUSED, RunState.RUNNING]


def test_it_says_where_nobody_works(closer: User) -> None:
    run = started(closer, [OrderFactory(reviewed=True)])
    client = sign_in(closer)

    assert client.get(address(run, "progress/")).context["nobody_works"]
    Worker.objects.create(name="host:1", started_at=timezone.now(), seen_at=timezone.now())
    assert not client.get(address(run, "progress/")).context["nobody_works"]


def test_the_file_has_every_order_and_no_formula(closer: User) -> None:
    ready = OrderFactory(reviewed=True, customer={"name": "=1+1"})
    unpaid = OrderFactory(completed=True, paid=100, customer={"name": "@cmd"})
    run = started(closer, [ready, unpaid])
    work()

    response = sign_in(closer).get(address(run, "result.csv"))

    text = b"".join(response.streaming_content).decode()
    assert text.startswith("\ufeff")
    _head, *lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert [line[0] for line in lines] == [ready.number, unpaid.number]
    assert [line[1] for line in lines] == ["'=1+1", "'@cmd"]
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)


def test_ones_runs_are_listed_with_how_far_they_are(closer: User) -> None:
    started(closer, [OrderFactory(reviewed=True)])
    work()

    ((_run, _label, progress),) = sign_in(closer).get("/admin/bulk/").context["runs"]

    assert (progress.total, progress.done) == (1, 1)
