"""The catalogue of reasons, shipping methods and the shipping-fee product: made where they are absent."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from erp.kernel import setwise
from erp.kernel.acting import Channel, Decision, acting
from erp.kernel.models import system
from erp.kernel.money import ZERO
from orders.models import Act, Party, Product, ProductKind, Reason, ShippingMethod, Unit

_CLOSE, _CANCEL, _LINE = Act.CLOSE, Act.CANCEL, Act.CLOSE_LINE
_AFTER_SALE = [Act.RETURN, Act.ALLOWANCE, Act.REFUND]

# code, Chinese, English, acts
REASONS: list[tuple[str, str, str, list[Act]]] = [
    ("CL01", "正常完结", "Completed normally", [_CLOSE]),
    ("CL02", "余量不再发货", "Remainder not shipped", [_CLOSE, _LINE]),
    ("CL03", "退货退款完结", "Closed after return or refund", [_CLOSE]),
    ("CL04", "坏账/尾差核销", "Balance written off", [_CLOSE]),
    ("CL05", "超期自动关闭", "Auto-closed after its term", [_CLOSE]),
    ("CA01", "客户取消", "Customer cancelled", [_CANCEL]),
    ("CA02", "库存不足", "Insufficient stock", [_CANCEL, _LINE]),
    ("CA03", "超时未付款", "Payment timeout", [_CANCEL]),
    ("CA04", "付款失败/被拒", "Payment declined", [_CANCEL]),
    ("CA05", "误拍/重复下单", "Mistaken or duplicate order", [_CANCEL]),
    ("CA06", "规格/数量选错", "Wrong specification or quantity", [_CANCEL]),
    ("CA07", "收货信息有误", "Wrong address", [_CANCEL]),
    ("CA08", "联系不上客户", "Customer unreachable", [_CANCEL]),
    ("CA09", "疑似欺诈/风控", "Fraud or risk control", [_CANCEL]),
    ("CA10", "价格争议/找到更低价", "Price dispute", [_CANCEL]),
    ("CA11", "商品停产下架", "Discontinued", [_CANCEL, _LINE]),
    ("CA12", "供应商无法供货", "Supplier cannot deliver", [_CANCEL, _LINE]),
    ("CA13", "超出配送范围", "Out of delivery area", [_CANCEL, _LINE]),
    ("CA14", "员工录入错误", "Staff entry error", [_CANCEL]),
    ("CA15", "物流丢件/破损/拒收", "Lost, damaged or refused in transit", [_CANCEL, _LINE]),
    ("CA17", "线下已成交", "Settled offline", [_CANCEL]),
    ("CA18", "合同/项目终止", "Contract ended", [_CANCEL]),
    ("CA99", "其他(须填说明)", "Other (note required)", list(Act)),
    ("RO01", "误关闭", "Closed by mistake", [Act.REOPEN]),
    ("RO02", "财务更正", "Finance correction", [Act.REOPEN]),
    ("RT01", "七天无理由", "Seven-day return", _AFTER_SALE),
    ("RT02", "质量问题", "Quality problem", _AFTER_SALE),
    ("RT03", "发错漏发", "Wrong or missing goods", _AFTER_SALE),
    ("RT04", "拒收", "Refused on delivery", _AFTER_SALE),
    ("RT05", "丢件破损", "Lost or damaged in transit", _AFTER_SALE),
    ("RT06", "其他", "Other", _AFTER_SALE),
    ("HO01", "风控", "Risk control", [Act.HOLD]),
    ("HO02", "地址核实", "Address to be verified", [Act.HOLD]),
    ("HO03", "缺货", "Out of stock", [Act.HOLD]),
    ("HO04", "客户要求", "Customer asked", [Act.HOLD]),
    ("FN01", "录入错误", "Entry error", [Act.VOID]),
    ("FN02", "拒付", "Charge-back", [Act.VOID]),
    ("FN03", "尾差", "Tail difference", [Act.WRITE_OFF]),
    ("FN04", "坏账", "Bad debt", [Act.WRITE_OFF]),
    ("FN05", "价保", "Price protection", [Act.ALLOWANCE]),
    ("WV01", "例外放行", "Exception granted", [Act.WAIVE]),
    ("RJ01", "驳回", "Rejected", [Act.REJECT]),
    ("EX01", "换货", "Exchange", [Act.COPY]),
    ("EX02", "补发", "Reshipment", [Act.COPY]),
]
_LOST_SALE = {"CL02", "CA01", "CA02", "CA03", "CA04", "CA07", "CA08", "CA10", "CA11", "CA12", "CA13", "CA15", "CA18"}
_NEEDS_NOTE = {"CL04", "CA09", "CA10", "CA99", "RT06", "RO01", "RO02", "WV01", "RJ01"}
_NO_REFUND = {"CA03", "CA04"}
_FOR_RULES = {"CA03", "CL05"}
_PARTIES = {
    Party.CARRIER: {"CA15", "RT05"},
    Party.SYSTEM: _FOR_RULES,
    Party.SELLER: {
        *("CA02", "CA09", "CA11", "CA12", "CA13", "CA14", "CA18"),
        *("CL01", "CL02", "CL03", "CL04"),
        *("RT02", "RT03", "HO03", "FN01", "FN03", "FN04", "FN05"),
        *("RO01", "RO02", "WV01", "RJ01"),
    },
}

# code, Chinese, English, needs a carrier, needs a tracking number
METHODS = [
    ("EXPRESS", "快递", "Express", True, True),
    ("FREIGHT", "货运", "Freight", True, True),
    ("CITY", "同城配送", "City delivery", True, False),
    ("PICKUP", "自提", "Pick-up", False, False),
]


def create() -> None:
    tables = set(connection.introspection.table_names())
    needed = {m._meta.db_table for model in (Reason, ShippingMethod, Product) for m in (model, model.history.model)}
    if not needed <= tables:
        return
    with acting(Decision(by=system(), at=timezone.now(), channel=Channel.COMMAND)):
        _insert_absent("code", [_reason(*row) for row in REASONS])
        _insert_absent("code", [_method(no, *row) for no, row in enumerate(METHODS, start=1)])
        _insert_absent("sku", [_shipping_fee()])


def _insert_absent(key: str, rows: Sequence[Any]) -> None:
    model = type(rows[0])
    present = set(model.objects.values_list(key, flat=True))
    setwise.insert([row for row in rows if getattr(row, key) not in present])


def _reason(code: str, name: str, name_en: str, acts: list[Act]) -> Reason:
    party = next((party for party, codes in _PARTIES.items() if code in codes), Party.CUSTOMER)
    cancels = code.startswith("CA")
    return Reason(
        code=code,
        name=name,
        name_en=name_en,
        acts=[act.value for act in acts],
        party=party,
        needs_note=code in _NEEDS_NOTE,
        suggests_refund=cancels and code not in _NO_REFUND,
        suggests_restock=cancels and code != "CA15",
        lost_sale=code in _LOST_SALE,
        for_rules=code in _FOR_RULES,
    )


def _method(position: int, code: str, name: str, name_en: str, carrier: bool, tracking: bool) -> ShippingMethod:
    return ShippingMethod(
        code=code, name=name, name_en=name_en, needs_carrier=carrier, needs_tracking=tracking, position=position
    )


def _shipping_fee() -> Product:
    """What the shipping-fee line of an order refers to; its tax rate is the company's to set."""
    return Product(
        sku="SHIPPING",
        name="运费",
        kind=ProductKind.SERVICE,
        unit=Unit.TIME,
        price=ZERO,
        currency="CNY",
        tax_rate=ZERO,
    )
