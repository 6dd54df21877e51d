"""Reasons and parties: an act that has reasons in the catalogue is refused without a fitting one."""

from django.utils.translation import gettext_lazy as _

from erp.kernel.acting import Decision
from erp.kernel.errors import DomainError
from orders.models import Act, Party, Reason


class ReasonUnknown(DomainError):
    code = "orders.reason_unknown"
    message = _("“%(reason)s” is not an active reason of the catalogue. Choose one that applies to: %(act)s.")


class ReasonDoesNotApply(DomainError):
    code = "orders.reason_does_not_apply"
    message = _("Reason %(reason)s does not apply to: %(act)s. Choose another one.")


class ReasonNeedsNote(DomainError):
    code = "orders.reason_needs_note"
    message = _("Reason %(reason)s needs a note. Write what happened.")


class UnknownParty(DomainError):
    code = "orders.unknown_party"
    message = _("“%(party)s” is no party of a reason. Use one of: %(parties)s.")


def require(act: Act, decision: Decision) -> Reason:
    """
    The reason of a decision, valid for ``act``.

    :raises ReasonUnknown: not in the catalogue or inactive. :raises ReasonDoesNotApply: for other acts.
    :raises ReasonNeedsNote: the reason demands a note and there is none.
    """
    reason = Reason.objects.filter(code=decision.reason, is_active=True).first()
    if reason is None:
        raise ReasonUnknown(reason=decision.reason, act=act.label)
    if act not in reason.acts:
        raise ReasonDoesNotApply(reason=reason, act=act.label)
    if reason.needs_note and not decision.note.strip():
        raise ReasonNeedsNote(reason=reason)
    return reason


def party_of(party: str, reason: Reason) -> str:
    """Whose side the cause is on: the party named, or that of the reason where none is. :raises UnknownParty:"""
    if party and party not in Party.values:
        raise UnknownParty(party=str(party)[:20], parties=", ".join(Party.values))
    return party or reason.party


def choices(act: Act) -> list[Reason]:
    """Active reasons for an act, in the order of their codes."""
    return [reason for reason in Reason.objects.filter(is_active=True).order_by("code") if act in reason.acts]
