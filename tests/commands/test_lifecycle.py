from django.conf import settings

from erp.kernel import fsm
from orders import contract
from orders.models import Order
from tests.commands.running import run


def test_the_table_shows_every_transition_with_its_steps_codes_and_locks() -> None:
    printed = run("lifecycle")

    for name, source, target in fsm.edges(Order):
        assert f"{source} → {target}" in printed
        assert fsm.permission_of(Order, name) in printed
        for path, step in zip(settings.ORDER_STEPS[name], contract.steps(name), strict=True):
            rows = [line for line in printed.splitlines() if path in line and (step.locks.name in line)]
            assert len(rows) == sum(path in paths for paths in settings.ORDER_STEPS.values())
            assert not step.checks or all(step.checks[0].code in row for row in rows)
            assert all(check.code in printed for check in step.checks)


def test_the_table_says_which_checks_are_soft() -> None:
    printed = run("lifecycle")

    for check in (check for step in contract.steps("close") for check in step.checks):
        assert (f"{check.code}（可设策略）" in printed) == bool(check.soft)


def test_steps_stand_in_the_order_they_run_in() -> None:
    printed = run("lifecycle")

    places = [printed.index(path) for path in settings.ORDER_STEPS["close"]]
    assert places == sorted(places)


def test_the_diagram_is_the_declared_graph_without_what_keeps_the_status() -> None:
    lines = [line.strip() for line in run("lifecycle", "--format", "mermaid").splitlines()]

    assert lines[0] == "stateDiagram-v2"
    assert {line for line in lines if ": " in line} == {
        f"{source} --> {target}: {name}" for name, source, target in fsm.edges(Order) if source != target
    }
    assert "[*] --> new" in lines
    assert "closed --> [*]" in lines
    assert lines == [line.strip() for line in run("lifecycle", "--format", "mermaid").splitlines()]
