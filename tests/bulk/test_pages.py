"""The pages of bulk runs: from the order list to the result file."""

import csv
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from erp.bulk import services
from erp.bulk.models import BulkRun, RunState
from erp.kernel.models import User
from erp.site import worklists
from erp.worker.models import Worker
from orders.models import Order
from tests.bulk.running import fresh, ids, results, started, work_all
from tests.factories import OrderFactory, decide
from tests.site.clicking import changelist, sign_in
from tests.support import count_queries

pytestmark = pytest.mark.django_db


def address(run: BulkRun, name: str = "run") -> str:
    return reverse(f"admin:bulk_{name}", args=[run.pk])


def drafted(by: User, *orders: Any) -> BulkRun:
    return services.draft("close", ids(orders), decision=decide(by))


def ask(client: Any, action: str, *orders: Any, query: str = "", across: bool = False) -> Any:
    data = {"action": action, "index": "0", "select_across": str(int(across)), "_selected_action": ids(orders)}
    return client.post(changelist(Order) + query, data)


def test_a_selection_becomes_a_run_that_asks_first(closer: Any) -> None:
    chosen, _other = OrderFactory.create_batch(2, reviewed=True)

    response = ask(sign_in(closer), "close", chosen)

    run = BulkRun.objects.get()
    assert response["Location"] == address(run)
    assert (run.state, list(results(run))) == (RunState.DRAFT, [chosen.pk])


def test_a_whole_filtered_view_is_exactly_that_list(closer: Any) -> None:
    completed = OrderFactory.create_batch(2, line_count=1, completed=True)
    OrderFactory(line_count=1, shipped=True)
    closed = OrderFactory(line_count=1, closed=True)
    query = "?status__exact=completed"

    ask(sign_in(closer), "close", completed[0], query=query, across=True)

    assert list(results(BulkRun.objects.get())) == ids(completed)
    assert closed.pk not in results(BulkRun.objects.get())


def test_a_whole_worklist_is_exactly_that_list(closer: Any) -> None:
    new = OrderFactory.create_batch(2)
    OrderFactory(line_count=1, shipped=True)
    client = sign_in(closer)
    query = f"?{worklists.PARAMETER}=to_process"
    listed = [order.pk for order in client.get(changelist(Order) + query).context["cl"].result_list]
    assert listed

    ask(client, "close", new[0], query=query, across=True)

    assert list(results(BulkRun.objects.get())) == sorted(listed)


def test_nobody_is_offered_what_they_may_not_do(salesperson: Any) -> None:
    order = OrderFactory(reviewed=True)
    client = sign_in(salesperson)

    offered = client.get(changelist(Order)).context["action_form"].fields["action"].choices
    ask(client, "close", order)

    assert "close" not in dict(offered)
    assert "review-order" in dict(offered)
    assert not BulkRun.objects.exists()


def test_a_run_is_started_by_its_form_and_only_once(closer: Any) -> None:
    run = drafted(closer, OrderFactory(reviewed=True))
    client = sign_in(closer)

    asked = client.get(address(run))
    assert asked.context["form"].fields["reason"].initial == "CL01"
    missing = client.post(address(run), {"reason": "", "note": ""})
    assert missing.context["form"].errors["reason"]
    client.post(address(run), {"reason": "CL01", "note": ""})
    assert fresh(run).state == RunState.RUNNING
    again = client.post(address(run), {"reason": "CL01", "note": ""}, follow=True)

    assert "This run is “Running” by now." in str(next(iter(again.context["messages"])))


def test_a_note_is_asked_for_before_the_run_starts(closer: Any) -> None:
    run = drafted(closer, OrderFactory(reviewed=True))

    response = sign_in(closer).post(address(run), {"reason": "CL04", "note": ""}, follow=True)

    assert [str(message) for message in response.context["messages"]]
    assert fresh(run).state == RunState.DRAFT


def test_who_lost_the_right_may_not_start_it(closer: Any) -> None:
    run = drafted(closer, OrderFactory(reviewed=True))
    closer.groups.set(Group.objects.filter(name="业务员"))

    response = sign_in(closer).post(address(run), {"reason": "CL01", "note": ""})

    assert response.status_code == 403
    assert fresh(run).state == RunState.DRAFT


def test_a_forged_form_starts_nothing(closer: Any) -> None:
    run = drafted(closer, OrderFactory(reviewed=True))

    response = sign_in(closer, enforce_csrf_checks=True).post(address(run), {"reason": "CL01"})

    assert response.status_code == 403
    assert fresh(run).state == RunState.DRAFT


def test_others_find_nothing(closer: Any, salesperson: Any) -> None:
    run = started("close", [OrderFactory(reviewed=True)], closer)
    client = sign_in(salesperson)

    for name in ("run", "progress", "result"):
        assert client.get(address(run, name)).status_code == 404
    assert client.post(address(run), {"pause": ""}).status_code == 404
    assert list(client.get(reverse("admin:bulk_runs")).context["runs"]) == []


def test_an_auditor_sees_a_run_but_is_offered_nothing(closer: Any, auditor: Any) -> None:
    run = started("close", [OrderFactory(reviewed=True)], closer)

    response = sign_in(auditor).get(address(run))

    assert response.status_code == 200
    assert b'name="pause"' not in response.content


def test_a_run_is_paused_and_goes_on(closer: Any) -> None:
    run = started("close", [OrderFactory(reviewed=True)], closer)
    client = sign_in(closer)

    assert b'name="pause"' in client.get(address(run)).content
    client.post(address(run), {"pause": ""})
    assert fresh(run).state == RunState.PAUSED
    client.post(address(run), {"go_on": ""})
    assert fresh(run).state == RunState.RUNNING


def test_progress_is_asked_for_as_long_as_it_runs(closer: Any) -> None:
    run = started("close", [OrderFactory(reviewed=True)], closer)
    client = sign_in(closer)

    assert b"hx-trigger" in client.get(address(run, "progress")).content
    work_all()
    ended = client.get(address(run, "progress"))

    assert b"hx-trigger" not in ended.content
    assert b"1 / 1" in ended.content


def test_the_page_says_when_nobody_works(closer: Any) -> None:
    run = started("close", [OrderFactory(reviewed=True)], closer)
    client = sign_in(closer)

    assert "No background worker is running" in client.get(address(run)).content.decode()
    Worker.objects.create(name="w", started_at=timezone.now(), seen_at=timezone.now())

    assert "No background worker is running" not in client.get(address(run)).content.decode()


def test_refusals_are_counted_by_their_first_reason(closer: Any) -> None:
    unpaid = OrderFactory.create_batch(2, line_count=1, completed=True, unpaid=True)
    run = started("close", [*unpaid, OrderFactory(line_count=1)], closer)
    work_all()

    response = sign_in(closer).get(address(run))

    assert sum(count for _name, count in response.context["first_reasons"]) == 3
    counted = dict(response.context["first_reasons"])
    assert counted["In another status"] == 1
    assert max(counted.values()) == 2


def test_the_result_is_a_file_without_formulas_in_the_readers_language(closer: Any) -> None:
    good = OrderFactory(reviewed=True, customer={"name": "=1+1"})
    bad = OrderFactory(completed=True, unpaid=True)
    run = started("close", [good, bad], closer)
    work_all()

    response = sign_in(closer).get(address(run, "result"))

    assert response.content.startswith(b"\xef\xbb\xbf")
    head, first, second = csv.reader(response.content.decode("utf-8-sig").splitlines())
    assert head == ["Order", "Customer", "Result", "When", "Why"]
    assert first[:3] == [good.number, "'=1+1", "Done"]
    assert second[2] == "Refused"
    assert "short" in second[4] or "received" in second[4]


def test_the_list_of_runs_costs_the_same_for_any_number(closer: Any) -> None:
    order = OrderFactory(completed=True)
    client, counts = sign_in(closer), []
    for more in (1, 4):
        for _run in range(more):
            started("close", [order], closer)
        client.get(reverse("admin:bulk_runs"))
        with count_queries() as statements:
            client.get(reverse("admin:bulk_runs"))
        counts.append(len(statements))

    assert counts[0] == counts[1]
