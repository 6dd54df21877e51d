"""Prove every closing record, and compare with what an earlier run wrote down."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from erp.management.base import Command as BaseCommand
from orders.models import ClosingRecord
from orders.services import proof


class Command(BaseCommand):
    help = (
        "Walk the chain of closing records, recompute what each testifies from the documents, and compare. "
        "Exit status 1 when anything differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--export", metavar="FILE", help="write the chain's head and the counts to FILE")
        parser.add_argument("--against", metavar="FILE", help="compare with a FILE written by --export")

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = [str(fault) for fault in proof.faults()]
        if options["against"]:
            wrong += _compare(_read(options["against"]))
        for line in wrong[:100]:
            self.stderr.write(line)
        if wrong:
            raise CommandError(_("%(count)s faults found.") % {"count": len(wrong)})
        if options["export"]:
            _write(options["export"])
        self.stdout.write(_("%(count)s closing records proved.") % {"count": ClosingRecord.objects.count()})
        unsealed = ", ".join(f"{name} {count}" for name, count in _counts().items() if name != _RECORDS)
        self.stdout.write(_("Unsealed so far: %(counts)s.") % {"counts": unsealed})


_RECORDS = ClosingRecord._meta.label_lower


def _state() -> dict[str, Any]:
    head = ClosingRecord.objects.order_by("-position").first()
    return {
        "position": head.position if head else 0,
        "digest": head.digest if head else "",
        "counts": _counts(),
    }


def _counts() -> dict[str, int]:
    """Rows of everything append-only: none of it may ever become fewer."""
    return {
        model._meta.label_lower: model._base_manager.count()
        for model in apps.get_models()
        if getattr(model, "append_only", False)
    }


def _write(path: str) -> None:
    try:
        Path(path).write_text(json.dumps(_state(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(_("%(file)s cannot be written: %(error)s") % {"file": path, "error": error}) from error


def _read(path: str) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        return {
            "position": int(state["position"]),
            "digest": str(state["digest"]),
            "counts": {str(name): int(count) for name, count in state["counts"].items()},
        }
    except OSError as error:
        raise CommandError(_("%(file)s cannot be read: %(error)s") % {"file": path, "error": error}) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(
            _("%(file)s is no file written by --export: %(error)s") % {"file": path, "error": error}
        ) from error


def _compare(before: dict[str, Any]) -> list[str]:
    """A chain only grows: the head of that time is still there, and nothing has become fewer."""
    wrong = []
    if before["position"]:
        record = ClosingRecord.objects.filter(position=before["position"]).first()
        found = record.digest if record else _("no such record")
        if found != before["digest"]:
            wrong.append(f"CR-{before['position']:06d} digest: {before['digest']} → {found}")
    counts = _counts()
    wrong += [
        f"{name}: {count} → {counts.get(name, 0)}"
        for name, count in before["counts"].items()
        if counts.get(name, 0) < count
    ]
    return wrong
