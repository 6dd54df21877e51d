"""System checks of the lifecycle contract: a wrong path or lock order is found before the first request."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import Error, register
from django.utils.module_loading import import_string

from erp.kernel import fsm
from orders import contract
from orders.contract import Check, Step
from orders.models import Order
from orders.steps import SealRecord, SealReopening


@register()
def order_steps(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    errors: list[Error] = []
    known = {name for name, _source, _target in fsm.edges(Order)}
    for transition, paths in settings.ORDER_STEPS.items():
        if transition not in known:
            errors.append(Error(f"ORDER_STEPS names “{transition}”, which is no transition.", id="orders.E001"))
        errors += _step_errors(transition, paths)
    return errors or [*_proof_errors(settings.ORDER_STEPS["close"]), *_seal_errors(settings.ORDER_STEPS)]


def _proof_errors(paths: list[str]) -> Iterator[Error]:
    """A closing that leaves out a lasting check, or anything of which is not in its record, proves nothing."""
    run = {check.code for path in paths for check in import_string(path).checks}
    for code in sorted(contract.proof_codes() - run):
        yield Error(f"ORDER_STEPS[“close”] has no step for “{code}”, on which the proof rests.", id="orders.E005")


def _seal_errors(steps: dict[str, list[str]]) -> Iterator[Error]:
    for transition, seal in (("close", SealRecord), ("reopen", SealReopening)):
        if not issubclass(import_string(steps[transition][-1]), seal):
            message = f"ORDER_STEPS[“{transition}”] does not end with orders.steps.{seal.__name__}."
            yield Error(message, id="orders.E006")


@register()
def review_blocks(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    paths = [entry["facts"] for entry in settings.REVIEW_BLOCKS.values()] + list(settings.PERIOD_CHECKS)
    return [Error(f"“{path}” cannot be called.", id="orders.E004") for path in paths if not callable(_import(path))]


def _step_errors(transition: str, paths: list[str]) -> list[Error]:
    errors = []
    highest = 0
    for path in paths:
        step = _import(path)
        if not (isinstance(step, type) and issubclass(step, Step)):
            errors.append(Error(f"ORDER_STEPS[“{transition}”]: “{path}” is no Step.", id="orders.E002"))
            continue
        if step.locks < highest:
            errors.append(
                Error(
                    f"ORDER_STEPS[“{transition}”]: “{path}” locks {step.locks.name} after higher ones.",
                    id="orders.E003",
                )
            )
        highest = max(highest, step.locks)
        if not all(isinstance(check, Check) for check in step.checks):
            errors.append(Error(f"“{path}” declares a check that is none.", id="orders.E002"))
    return errors


def _import(path: str) -> Any:
    try:
        return import_string(path)
    except ImportError:
        return None
