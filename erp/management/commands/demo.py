"""A demo company, its story, and the back office to look at it."""

import os
import socket
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from erp.kernel.acting import Decision
from erp.kernel.models import User
from erp.kernel.texts import Listing, in_reader_language
from erp.management.base import Command as BaseCommand
from erp.management.base import table
from erp.management.demo import business, people, story
from erp.management.demo.plans import LAST_DAY, plans
from finance.models import Voucher
from inventory.models import Warehouse
from orders.models import Order, Shop, Status
from orders.services import lifecycle

_HOST = "127.0.0.1"


class Command(BaseCommand):
    help = (
        "Migrate, make a demo company with four weeks of business unless it is there already, tell how one order "
        "was closed, and serve the back office. For a database without business of its own: the demo's accounts "
        "have a known password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help=_("serve here on 127.0.0.1 (8000)"))
        parser.add_argument("--no-serve", action="store_true", help=_("stop after the printout"))

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["no_serve"]:
            _assert_free(options["port"])
        call_command("migrate", verbosity=0, interactive=False)
        if story.example() is None:
            self._make(timezone.now())
        for line in _printout():
            self.stdout.write(line)
        if not options["no_serve"]:
            self._serve(options["port"])

    def _make(self, now: datetime) -> None:
        """All or nothing: a demo that was interrupted leaves no trace."""
        if Order.objects.exists() or Voucher.objects.exists():
            raise CommandError(
                _(
                    "This database has business of its own; the demo would open it to accounts with a known "
                    "password. Name another one, such as DATABASE_URL=sqlite:///demo.sqlite3."
                )
            )
        calendar = business.Calendar(now)
        planned = plans()
        with transaction.atomic():
            users = business.open_business(calendar)
            for day in self.progress(range(LAST_DAY + 1), _("Four weeks of business")):
                business.work(day, planned, users, calendar)

    def _serve(self, port: int) -> None:
        self.stdout.write(_("Serving on http://%(host)s:%(port)s/, stop with Ctrl+C.") % {"host": _HOST, "port": port})
        self.stdout.flush()
        connections.close_all()
        bind = ["--bind", f"{_HOST}:{port}", "--threads", "4", "--no-control-socket"]
        os.chdir(settings.BASE_DIR)
        # It watches for the end of this process, which becomes the server.
        subprocess.Popen([sys.executable, "manage.py", "run_worker", "--parent", str(os.getpid())])
        os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *bind, "erp.wsgi"])


def _assert_free(port: int) -> None:
    if not 0 < port < 65536:
        raise CommandError(_("%(port)s is no port. Name one from 1 to 65535.") % {"port": port})
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            text = _("Port %(port)s cannot be used: %(error)s. Name another one with --port.")
            raise CommandError(text % {"port": port, "error": error.strerror}) from error


def _printout() -> Iterator[str]:
    order = story.example()
    assert order
    yield from _standing()
    yield ""
    yield _("How order %(number)s was closed:") % {"number": order.number}
    yield from story.tell(order)
    yield ""
    yield _("What to look at:")
    yield from table(_looks())
    yield ""
    yield from _logins()


def _standing() -> Iterator[str]:
    """How many orders are where, and how many of the completed ones could be closed now."""
    counts = dict(Order.objects.values_list("status").annotate(Count("pk")))
    yield _("Orders: %(counts)s.") % {
        "counts": in_reader_language("、", ", ").join(f"{status.label} {counts.get(status, 0)}" for status in Status)
    }
    closer = User.objects.get(username=people.ADMINISTRATOR.username)
    completed = Order.objects.filter(status=Status.COMPLETED).values_list("pk", flat=True)[: lifecycle.BATCH_LIMIT]
    outcomes = lifecycle.preview("close", completed, Decision(by=closer, at=timezone.now()))
    ready = sum(outcome.ready for outcome in outcomes)
    yield _("Of the completed ones %(ready)s can be closed, %(blocked)s are blocked.") % {
        "ready": ready,
        "blocked": len(outcomes) - ready,
    }


def _looks() -> list[list[object]]:
    """Situations, and the first order in each."""
    first: dict[str, Any] = {}
    for plan in plans():
        if plan.situation.look:
            first.setdefault(str(plan.situation.look), plan.external_number)
    numbers = dict(Order.objects.filter(external_number__in=first.values()).values_list("external_number", "number"))
    return [[f"  {look}", numbers[external]] for look, external in first.items()]


def _logins() -> Iterator[str]:
    yield _("Sign in with the password %(password)s as:") % {"password": people.PASSWORD}
    names = {row.code: row.name for model in (Shop, Warehouse) for row in model.objects.all()}
    rows: list[list[object]] = []
    for person in people.STAFF:
        scope = Listing(names[code] for code in (*person.shops, *person.warehouses))
        rows.append([f"  {person.username}", person.name, Listing(person.roles), scope])
    yield from table(rows)
