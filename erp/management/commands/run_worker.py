"""Work in the background, beside the web server."""

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from erp.kernel.texts import Listing
from erp.management.base import Command as BaseCommand
from erp.worker import loop


class Command(BaseCommand):
    help = (
        "Do what waits in the background, such as finding out which orders can be closed, until stopped by Ctrl+C or "
        "SIGTERM; the piece of work at hand is finished. Several may run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help=_("end as soon as nothing waits"))
        parser.add_argument(
            "--parent", type=int, metavar="PID", help=_("stop as soon as this process, which started it, is gone")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            failed = loop.work_once(loop.jobs())
            if failed:
                raise CommandError(_("These jobs failed: %(jobs)s. The log says why.") % {"jobs": Listing(failed)})
            return
        worker = loop.Loop(loop.jobs(), parent=options["parent"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, worker.stop)
        worker.run()
