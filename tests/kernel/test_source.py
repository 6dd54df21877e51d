"""What must not be written where: read from the syntax trees of the sources."""

import ast
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from django.apps import apps

from erp.kernel.fsm import FSMModel
from erp.kernel.history import Recorded

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("erp", "orders", "finance", "inventory", "logistics")


@cache
def _sources() -> dict[str, ast.Module]:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for path in files
        if "migrations" not in path.parts
    }


Rule = Callable[[ast.AST], bool]


def _broken(rule: Rule, *, allowed: tuple[str, ...] = (), within: tuple[str, ...] = ("*",)) -> list[str]:
    """Where the rule is met though it must not be."""
    return [
        f"{path}:{getattr(node, 'lineno', '?')}"
        for path, tree in _sources().items()
        if any(fnmatch(path, pattern) for pattern in within) and not any(fnmatch(path, name) for name in allowed)
        for node in ast.walk(tree)
        if rule(node)
    ]


def _calls(*names: str) -> Rule:
    """``anything.name(…)`` and ``name(…)``."""

    def rule(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and _last(node.func) in names

    return rule


def _last(node: ast.expr) -> str:
    match node:
        case ast.Attribute():
            return node.attr
        case ast.Name():
            return node.id
    return ""


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Attribute():
            return f"{_dotted(node.value)}.{node.attr}"
        case ast.Name():
            return node.id
    return "…"


def test_the_sources_are_found() -> None:
    assert {"erp/kernel/locks.py", "orders/services/lifecycle.py", "logistics/models/__init__.py"} <= set(_sources())


def test_numbers_in_expressions_are_written_with_fixed() -> None:
    def typed(node: ast.AST) -> bool:
        return isinstance(node, ast.keyword) and node.arg == "output_field" and "FixedPointField" in ast.dump(node)

    assert _broken(typed, allowed=("erp/kernel/fields.py",)) == []
    assert len(_broken(typed)) == 1


def test_rows_are_locked_in_one_place() -> None:
    locking = _calls("select_for_update")

    assert _broken(locking, allowed=("erp/kernel/locks.py", "erp/kernel/setwise.py")) == []
    assert len(_broken(locking)) == 2


def test_raw_sql_is_confined() -> None:
    raw = _calls("cursor", "raw", "RawSQL", "extra", "execute_sql")
    allowed = (
        "erp/kernel/numbering.py",
        "erp/kernel/triggers.py",
        "erp/kernel/setwise.py",
        "*/invariants.py",
    )

    assert _broken(raw, allowed=allowed) == []
    assert len(_broken(raw)) > 10


def test_nothing_is_written_past_history() -> None:
    """``update``, ``bulk_update`` and ``bulk_create`` leave no history row; nor can a lock be asserted for them."""
    assert _broken(_writes_past_history, allowed=("erp/kernel/setwise.py", "erp/kernel/locks.py")) == []
    # What is allowed is also seen, or the search itself would be broken.
    assert {place.split(":")[0] for place in _broken(_writes_past_history)} == {
        "erp/kernel/locks.py",
        "erp/kernel/setwise.py",
    }


def _writes_past_history(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    receiver = node.func.value
    match node.func.attr:
        case "update":
            # ``dictionary.update(mapping)`` has no keywords, ``queryset.update(column=value)`` has nothing else.
            return bool(node.keywords) and _dotted(receiver) != "setwise"
        case "bulk_update" | "abulk_update" | "aupdate" | "bulk_update_with_history":
            return True
        case "bulk_create" | "abulk_create" | "bulk_create_with_history":
            return _model_with_history(receiver)
    return False


def _model_with_history(manager: ast.expr) -> bool:
    """Whether ``Model.objects`` is, or may be, of a model whose changes leave history rows."""
    if not (isinstance(manager, ast.Attribute) and isinstance(manager.value, ast.Name)):
        return True
    models = [model for model in apps.get_models() if model.__name__ == manager.value.id]
    return not models or any(issubclass(model, Recorded) for model in models)


def test_nothing_is_saved_in_part() -> None:
    """History would copy what is in memory and not in the table."""
    in_part = _broken(
        lambda node: isinstance(node, ast.keyword) and node.arg == "update_fields",
        # Has no history, and two workers may write the same row.
        allowed=("erp/site/readiness.py",),
    )
    assert in_part == []


def test_a_status_is_given_by_transitions_only() -> None:
    names = {model.__name__ for model in FSMModel.__subclasses__()}

    def given(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and (_last(node.func) in names or _last(node.func) in {"create", "get_or_create", "acreate"})
            and any(keyword.arg == "status" for keyword in node.keywords)
        )

    assert _broken(given) == []


def test_a_status_is_compared_never_identified() -> None:
    """After a transition it is a member of the enumeration, from the database it is a string."""

    def identified(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Compare)
            and any(isinstance(operator, ast.Is | ast.IsNot) for operator in node.ops)
            and any(_last(side) == "status" or "Status." in _dotted(side) for side in (node.left, *node.comparators))
        )

    assert _broken(identified) == []


def test_below_interfaces_the_clock_is_passed_in() -> None:
    clock = _calls("now", "utcnow", "today", "localdate", "time")

    assert (
        _broken(
            lambda node: clock(node) and isinstance(node, ast.Call) and not node.args,
            within=(
                "*/services/*",
                "*/steps.py",
                "*/selectors.py",
                "*/facts.py",
                "*/invariants.py",
                "finance/periods.py",
            ),
        )
        == []
    )
    assert _broken(clock, within=("erp/kernel/middleware.py",)) != []


def test_nothing_is_computed_at_import() -> None:
    """A moment in a default or a constant would be that of the start of the process."""
    clock = _calls("now", "utcnow", "today", "localdate")

    found = [
        f"{path}:{getattr(node, 'lineno', '?')}"
        for path, tree in _sources().items()
        for statement in _at_import(tree)
        for node in ast.walk(statement)
        if clock(node)
    ]
    assert found == []


def _at_import(tree: ast.Module | ast.ClassDef) -> Iterator[ast.AST]:
    for statement in tree.body:
        match statement:
            case ast.ClassDef():
                yield from _at_import(statement)
            case ast.FunctionDef():
                yield statement.args
            case _:
                yield statement


def test_signals_carry_no_business() -> None:
    """Only the kernel and first data after migrate listen to any."""
    listening = _calls("connect", "receiver")

    assert _broken(listening, allowed=("erp/kernel/apps.py", "*/apps.py")) == []

    def to_others(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and listening(node) and _dotted(node.func) != "post_migrate.connect"

    assert _broken(to_others, allowed=("erp/kernel/apps.py",)) == []
    assert len(_broken(listening)) > 5


def test_the_fsm_package_is_used_in_one_module() -> None:
    def imports(node: ast.AST) -> bool:
        match node:
            case ast.ImportFrom():
                return (node.module or "").startswith("django_fsm")
            case ast.Import():
                return any(name.name.startswith("django_fsm") for name in node.names)
        return False

    assert _broken(imports, allowed=("erp/kernel/fsm.py",)) == []
    assert len(_broken(imports)) > 0


def test_only_named_failures_are_caught() -> None:
    def catches_all(node: ast.AST) -> bool:
        return isinstance(node, ast.ExceptHandler) and (
            node.type is None or "Exception" in {_last(e) for e in ast.walk(node.type) if isinstance(e, ast.expr)}
        )

    # A worker that one job could stop would leave all the others undone.
    assert _broken(catches_all, allowed=("erp/worker/loop.py",)) == []


def test_no_markup_is_trusted() -> None:
    """Texts of people reach pages escaped: ``format_html`` does it, ``mark_safe`` does not."""
    assert _broken(_calls("mark_safe")) == []
