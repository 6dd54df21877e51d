"""Bank statements in the back office: looked at beside the books first, taken over by a second click."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import site
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from erp.kernel.acting import Channel, Decision
from erp.kernel.errors import DomainError, Forbidden, Text, refusals
from erp.kernel.models import User
from erp.kernel.money import ZERO
from erp.kernel.transitions import permit
from finance import matching, statement_file
from finance.matching import Examined, Verdict
from finance.models import PaymentMethod, Statement
from finance.services import statements
from finance.services.statements import RIGHTS, StatementDraft, Taken, Use, may_use
from finance.statement_file import BankLine
from orders.models import Shop
from orders.selectors import company_day

_SALT = "erp.site.statements"
# What was read travels with the page until it is confirmed; a day later the books are others.
_KEPT_FOR = 24 * 60 * 60


class FileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV with the columns date, amount, reference, counterparty; others are passed over."),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv", "autofocus": True}),
    )
    method = forms.ChoiceField(label=gettext_lazy("Method"), choices=PaymentMethod.choices)
    currency = forms.ChoiceField(label=gettext_lazy("Currency"))

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        shops = Shop.objects.visible_to(user).order_by("currency")
        currencies = list(shops.values_list("currency", flat=True).distinct())
        field = self.fields["currency"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(currency, currency) for currency in currencies]
        field.initial = "CNY" if "CNY" in currencies else None


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of one verdict, and what they add up to."""

    verdict: Verdict
    lines: Sequence[Examined]

    @property
    def total(self) -> Decimal:
        return sum((each.line.amount for each in self.lines), ZERO)


def groups(examined: Iterable[Examined]) -> list[Group]:
    """By verdict, first what needs a look."""
    examined = list(examined)
    by_verdict = {verdict: [each for each in examined if each.verdict == verdict] for verdict in Verdict}
    return [Group(verdict, lines) for verdict, lines in by_verdict.items() if lines]


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """
    Choose a file, look at what it says beside the books, then take it over: three steps at one address.

    :raises Forbidden: the permission to confirm or report payments is missing.
    """
    user = request.user
    assert isinstance(user, User)
    if not may_keep(user):
        permit(user, RIGHTS[Use.CONFIRM])
    if request.method != "POST":
        return _ask(request, FileForm(user=user))
    if "read" in request.POST:
        return _take_over(request, user)
    form = FileForm(request.POST, request.FILES, user=user)
    return _look(request, form, user) if form.is_valid() else _ask(request, form)


def may_keep(user: User) -> bool:
    return may_use(user, Use.KEEP)


def _ask(request: HttpRequest, form: FileForm, problems: Sequence[str] = (), status: int = 200) -> HttpResponse:
    return _page(request, "erp/statement_new.html", status, form=form, problems=problems)


def _look(request: HttpRequest, form: FileForm, user: User) -> HttpResponse:
    file, method, currency = (form.cleaned_data[name] for name in ("file", "method", "currency"))
    try:
        if file.size > statement_file.MOST_BYTES:
            raise statement_file.StatementTooLarge(limit="10 MB")
        today = company_day(timezone.now())
        lines = statement_file.read(file.read(), method=method, currency=currency, today=today)
    except DomainError as error:
        return _ask(request, form, [str(refusal) for refusal in refusals(error)], status=400)
    return _preview(request, StatementDraft(_name(file.name), method, currency, lines), user)


def _preview(
    request: HttpRequest, draft: StatementDraft, user: User, problems: Sequence[str] = (), status: int = 200
) -> HttpResponse:
    examined = matching.examine(draft.lines, method=draft.method, currency=draft.currency, user=user)
    fresh = [each for each in examined if each.known is None]
    return _page(
        request,
        "erp/statement_preview.html",
        status,
        draft=draft,
        method=PaymentMethod(draft.method).label,
        groups=groups(fresh),
        known=len(examined) - len(fresh),
        known_by=sorted({each.known for each in examined if each.known}, key=lambda statement: statement.pk),
        uses=_uses(fresh, user),
        read=_packed(draft),
        seen=matching.fingerprint(examined),
        problems=problems,
    )


def useful(examined: Iterable[Examined]) -> set[str]:
    """Names of the acts on a statement that would do something."""
    acts = {Verdict.MATCHED: "confirm-statement", Verdict.PROPOSED: "report-statement"}
    return {acts[each.verdict] for each in examined if each.verdict in acts and not each.own}


def _uses(examined: Sequence[Examined], user: User) -> list[tuple[Use, str]]:
    """What the reader may do with it, the most useful last."""
    confirmed = sum(each.verdict == Verdict.MATCHED and not each.own for each in examined)
    proposed = sum(each.verdict == Verdict.PROPOSED for each in examined)
    offered = [
        (Use.KEEP, _("Keep the statement only"), len(examined)),
        (Use.REPORT, _("Keep it and report %(count)s lines") % {"count": proposed}, proposed),
        (Use.CONFIRM, _("Keep it and confirm %(count)s lines") % {"count": confirmed}, confirmed),
    ]
    return [(use, label) for use, label, count in offered if count and may_use(user, use)]


def _take_over(request: HttpRequest, user: User) -> HttpResponse:
    try:
        draft = _unpacked(request.POST["read"])
    except signing.BadSignature:
        problem = _("The page is too old, or what it kept was changed. Choose the file again.")
        return _ask(request, FileForm(user=user), [problem], status=400)
    use = Use(request.POST.get("use", "")) if request.POST.get("use") in Use.values else Use.KEEP
    decision = Decision(
        by=user,
        at=timezone.now(),
        channel=Channel.ADMIN,
        request_id=request.request_id,  # type: ignore[attr-defined]
    )
    try:
        taken = statements.take_over(draft, use, decision=decision, seen=request.POST.get("seen", ""))
    except Forbidden:
        raise
    except DomainError as error:
        return _preview(request, draft, user, [str(refusal) for refusal in refusals(error)], status=409)
    messages.success(request, str(told(taken, use)))
    return redirect("admin:finance_statement_change", taken.statement.pk)


def told(taken: Taken, use: Use) -> Text:
    """What became of a statement."""
    if use == Use.KEEP or not (taken.new or taken.payments):
        return _told_of_lines(taken)
    count = len(taken.payments)
    if use == Use.CONFIRM:
        done = ngettext("%(count)s payment is confirmed.", "%(count)s payments are confirmed.", count)
    else:
        done = ngettext("%(count)s payment is reported.", "%(count)s payments are reported.", count)
    return f"{done % {'count': count}} {_told_of_lines(taken) if taken.new else ''}".strip()


def _told_of_lines(taken: Taken) -> str:
    if not taken.new:
        text = _("All %(count)s lines are known from before, lastly from %(number)s: nothing was changed.")
        return text % {"count": taken.known, "number": taken.statement.number}
    text = _("Of %(all)s lines %(new)s were new and are kept as %(number)s.")
    return text % {"all": taken.new + taken.known, "new": taken.new, "number": taken.statement.number}


def _name(name: str) -> str:
    """As much of a file's name as is kept, from its end."""
    kept = "".join(character for character in name if character.isprintable())
    return kept[-(Statement._meta.get_field("name").max_length or 0) :] or "csv"


def _packed(draft: StatementDraft) -> str:
    rows = [
        [line.no, line.date.isoformat(), f"{line.amount:f}", line.reference, line.counterparty] for line in draft.lines
    ]
    return signing.dumps([draft.name, draft.method, draft.currency, rows], salt=_SALT, compress=True)


def _unpacked(packed: str) -> StatementDraft:
    """:raises BadSignature: not what was given out, or too long ago."""
    name, method, currency, rows = signing.loads(packed, salt=_SALT, max_age=_KEPT_FOR)
    lines = [BankLine(no, date.fromisoformat(day), Decimal(amount), *texts) for no, day, amount, *texts in rows]
    draft = StatementDraft(name, method, currency, lines)
    return replace(draft, lines=statement_file.signed(lines, method=method, currency=currency))


def _page(request: HttpRequest, template: str, status: int, **context: Any) -> HttpResponse:
    title = _("Bring in a bank statement")
    return TemplateResponse(
        request, template, {**site.each_context(request), "title": title, **context}, status=status
    )
