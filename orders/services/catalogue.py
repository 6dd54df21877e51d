"""Reasons and parties: an act that has reasons in the catalogue is refused without a fitting one."""

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from erp.kernel.models import User
from orders.models import Act, Line, Party, Reason

# 正常完结: everything that was ordered was shipped and stayed with the customer.
NORMAL = "CL01"
OTHER = "CA99"


class ReasonUnknown(DomainError):
    code = "orders.reason_unknown"
    message = _("“%(reason)s” is not an active reason of the catalogue. Choose one that applies to: %(act)s.")


class ReasonDoesNotApply(DomainError):
    code = "orders.reason_does_not_apply"
    message = _("Reason %(reason)s does not apply to: %(act)s. Choose another one.")


class ReasonNeedsNote(DomainError):
    code = "orders.reason_needs_note"
    message = _("Reason %(reason)s needs a note. Write what happened.")


class ReasonForRules(DomainError):
    code = "orders.reason_for_rules"
    message = _("Reason %(reason)s is given by automatic rules only. Choose the one for which you do it.")


class UnknownParty(DomainError):
    code = "orders.unknown_party"
    message = _("“%(party)s” is no party of a reason. Use one of: %(parties)s.")


def require(act: Act, decision: Decision) -> Reason:
    """
    The reason of a decision, valid for ``act``.

    :raises ReasonUnknown: not in the catalogue or inactive. :raises ReasonDoesNotApply: for other acts.
    :raises ReasonForRules: a person gives a reason of the rules.
    :raises ReasonNeedsNote: the reason demands a note and there is none.
    """
    reason = Reason.objects.filter(code=decision.reason, is_active=True).first()
    if reason is None:
        raise ReasonUnknown(reason=decision.reason, act=act.label)
    if act not in reason.acts:
        raise ReasonDoesNotApply(reason=reason, act=act.label)
    if reason.for_rules and decision.by.kind == User.Kind.PERSON:
        raise ReasonForRules(reason=reason)
    if reason.needs_note and not decision.note.strip():
        raise ReasonNeedsNote(reason=reason)
    return reason


def party_of(party: str, reason: Reason) -> str:
    """Whose side the cause is on: the party named, or that of the reason where none is. :raises UnknownParty:"""
    if party and party not in Party.values:
        raise UnknownParty(party=str(party)[:20], parties=", ".join(Party.values))
    return party or reason.party


def choices(act: Act) -> list[Reason]:
    """Active reasons that people give for an act, in the order of their codes; what fits none comes last."""
    reasons = Reason.objects.filter(is_active=True, for_rules=False).order_by("code")
    return sorted((each for each in reasons if act in each.acts), key=lambda reason: reason.code == OTHER)


def not_as_placed(lines: Iterable[Line]) -> list[Line]:
    """What of an order was closed short or came back, so that it has not ended normally."""
    return [line for line in lines if line.closed or line.returned]
