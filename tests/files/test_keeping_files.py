"""Files are kept with one document, as they came, for who may see it; never changed, never deleted."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from erp.files import selectors, services
from erp.files.models import File, Kind
from erp.files.services import AlreadyWrong, Damaged, FileDraft, FileTooLarge, NotAKnownKind, NotKept
from erp.kernel.errors import Forbidden, NotFound
from erp.kernel.models import User
from erp.kernel.validation import Missing
from finance.models import Payment
from logistics.models import Return, Shipment
from tests.database import unchanged
from tests.factories import OrderFactory, ShopFactory, UserFactory, actor, decide
from tests.files.keeping import HTML, JPEG, PDF, PNG, draft, keep, mark
from tests.logistics.returning import requested
from tests.support import count_queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment() -> Payment:
    return Payment.objects.get(order=OrderFactory(paid=True))


def on_disk() -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


@pytest.mark.parametrize(("content", "kind"), [(PDF, Kind.PDF), (JPEG, Kind.JPEG), (PNG, Kind.PNG)])
def test_a_file_is_kept_with_who_and_when(content: bytes, kind: Kind, payment: Payment, cashier: User) -> None:
    file = keep(payment, content, "回单", by=cashier)

    assert (file.document, file.kind, file.size, file.name) == (payment, kind, len(content), f"回单.{kind.value}")
    assert (file.by, file.by_name) == (cashier, cashier.name)
    assert services.content_of(file) == content
    assert on_disk() == [file.path]
    assert file.path.name == file.pk.hex


def test_shipments_and_returns_have_files_too() -> None:
    order = OrderFactory(completed=True)
    shipment, goods_return = Shipment.objects.get(order=order), requested(order, {1: 1})

    files = [keep(shipment), keep(goods_return)]

    assert [file.document for file in selectors.of_order(order, actor("accountant"))] == [shipment, goods_return]
    assert selectors.of_document(shipment, actor("accountant")) == files[:1]
    assert isinstance(files[1].document, Return)


@pytest.mark.parametrize(
    "content",
    [
        HTML,
        b"",
        b"MZ\x90\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        PDF[:20],
        PNG[:30],
        b"GIF89a",
        b"x" + PDF,
    ],
)
def test_what_is_no_pdf_or_picture_is_refused_whatever_it_is_called(content: bytes, payment: Payment) -> None:
    with unchanged(), pytest.raises(NotAKnownKind):
        keep(payment, content, "slip.pdf", by=payment.reported_by)

    assert on_disk() == []


def test_more_than_ten_megabytes_is_refused(payment: Payment) -> None:
    with pytest.raises(FileTooLarge):
        keep(payment, PDF + b" " * (10 * 1024 * 1024))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\windows\\slip.exe", "slip.pdf"),
        ("page.html", "page.pdf"),
        ("..", "file.pdf"),
        ("", "file.pdf"),
        ("a\x00b\r\n\u202e.pdf", "ab.pdf"),
        ('<img src=x onerror="1">.png', "img src=x onerror=1.pdf"),
        ("回单.pdf", "回单.pdf"),
        ("长" * 300, "长" * 116 + ".pdf"),
    ],
)
def test_a_name_is_only_a_name(name: str, kept: str, payment: Payment) -> None:
    assert keep(payment, PDF, name).name == kept


def test_who_may_not_see_the_document_finds_neither_it_nor_its_files(payment: Payment) -> None:
    file = keep(payment)
    theirs = UserFactory(shops=[ShopFactory()])
    keeper = actor("keeper")

    assert keeper.has_perm("files.add_file")
    for user in (theirs, keeper):
        with unchanged(), pytest.raises(NotFound):
            keep(payment, by=user)
        with pytest.raises(NotFound):
            services.visible(file.pk, decide(user))
        with unchanged(), pytest.raises(NotFound):
            mark(file, by=user)


def test_looking_is_not_keeping(payment: Payment, auditor: User) -> None:
    file = keep(payment)

    with unchanged(), pytest.raises(Forbidden):
        keep(payment, by=auditor)
    with unchanged(), pytest.raises(Forbidden):
        mark(file, by=auditor)
    assert services.visible(file.pk, decide(auditor)) == file


def test_there_is_no_other_kind_of_document(cashier: User) -> None:
    with pytest.raises(NotFound):
        services.add_file(FileDraft("order", OrderFactory().pk, "x", PDF), decision=decide(cashier))


def test_a_file_is_marked_as_wrong_once_with_a_reason_and_stays(payment: Payment, accountant: User) -> None:
    file = keep(payment)

    with pytest.raises(Missing):
        mark(file, note=" ")
    wrong = mark(file, by=accountant)
    with pytest.raises(AlreadyWrong):
        mark(file)

    assert (wrong.why, wrong.by) == ("放错单据", accountant)
    assert services.content_of(file) == PDF


def test_a_file_of_a_closed_order_is_still_kept() -> None:
    order = OrderFactory(closed=True)

    assert keep(Shipment.objects.get(order=order))


def test_what_was_changed_on_the_disk_is_not_given_out(payment: Payment) -> None:
    file = keep(payment)
    file.path.write_bytes(HTML)
    with pytest.raises(Damaged):
        services.content_of(file)

    file.path.unlink()
    with pytest.raises(Damaged):
        services.content_of(file)


def test_a_full_disk_keeps_nothing(payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    decision = decide(actor("accountant"))
    monkeypatch.setattr("os.fsync", full)

    with unchanged(), pytest.raises(NotKept):
        services.add_file(draft(payment), decision=decision)
    assert on_disk() == []


def test_the_database_holds_a_file_to_one_document(payment: Payment) -> None:
    file = keep(payment)
    for change in ({"name": "x"}, {"payment": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            File.objects.filter(pk=file.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        file.delete()
    of_none = File(name="x", kind="pdf", size=1, digest="x", **_signed(file))
    with pytest.raises(IntegrityError), transaction.atomic():
        File.objects.bulk_create([of_none])


def _signed(file: File) -> dict[str, Any]:
    return {name: getattr(file, name) for name in ("by", "by_name", "at", "channel", "request_id", "why")}


def test_files_of_an_order_are_one_query(payment: Payment, auditor: User) -> None:
    def queries() -> int:
        with count_queries() as statements:
            assert selectors.of_order(payment.order, auditor)[0].document
        return len(statements)

    keep(payment)
    queries()
    few = queries()
    mark(keep(payment))

    assert (few, queries()) == (1, 1)
