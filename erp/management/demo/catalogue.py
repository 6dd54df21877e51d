"""What the demo company sells, to whom, through which shops, from where, and with whom it ships."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from erp.kernel import masterdata
from erp.kernel.acting import Decision
from inventory.models import Warehouse
from inventory.services.receiving import ReceiptDraft, ReceiptDraftLine
from logistics.models import Carrier
from orders.models import Product, ProductKind, Shop, Terms, Unit

CURRENCY = "CNY"
TAX_RATE = Decimal("0.13")
NOTEBOOK = "NB-14"
SERVER = "SRV-2U"


@dataclass(frozen=True, slots=True)
class Article:
    """``price`` with tax; ``cost`` without, empty for services; ``stock`` by warehouse."""

    sku: str
    name: str
    unit: str
    price: str
    cost: str = ""
    stock: Mapping[str, int] | None = None


_BOTH = {"SH": 400, "SZ": 250}
ARTICLES = [
    Article(NOTEBOOK, "笔记本电脑 14 英寸", Unit.DEVICE, "8999", "6600", _BOTH),
    Article("NB-16", "笔记本电脑 16 英寸", Unit.DEVICE, "11999", "8900", _BOTH),
    Article("PC-MINI", "迷你主机", Unit.DEVICE, "3299", "2350", _BOTH),
    Article("PC-TOWER", "台式工作站", Unit.DEVICE, "15999", "12200", {"SH": 120}),
    Article("MON-27", "显示器 27 英寸 4K", Unit.DEVICE, "2199", "1500", _BOTH),
    Article("MON-34", "显示器 34 英寸 带鱼屏", Unit.DEVICE, "3599", "2600", _BOTH),
    Article("TAB-11", "平板电脑 11 英寸", Unit.DEVICE, "2899", "2050", _BOTH),
    Article("PHONE-X", "智能手机 256 GB", Unit.DEVICE, "4999", "3700", _BOTH),
    Article("WATCH-2", "智能手表", Unit.PIECE, "1299", "780", _BOTH),
    Article("BUDS-3", "无线耳机", Unit.SET, "699", "380", _BOTH),
    Article("KB-87", "机械键盘 87 键", Unit.PIECE, "399", "210", _BOTH),
    Article("MOUSE-2", "无线鼠标", Unit.PIECE, "159", "72", _BOTH),
    Article("SSD-1T", "固态硬盘 1 TB", Unit.PIECE, "549", "360", _BOTH),
    Article("SSD-2T", "固态硬盘 2 TB", Unit.PIECE, "999", "690", _BOTH),
    Article("RAM-32", "内存条 32 GB", Unit.PIECE, "799", "560", _BOTH),
    Article("ROUTER-6", "无线路由器", Unit.DEVICE, "459", "270", _BOTH),
    Article("DOCK-C", "扩展坞", Unit.PIECE, "329", "170", _BOTH),
    Article("CAB-6", "六类网线", Unit.METRE, "4.5", "1.8", {"SZ": 12000}),
    # Fewer than are ordered: some orders wait for the next delivery.
    Article(SERVER, "机架式服务器 2U", Unit.DEVICE, "38999", "30500", {"SH": 1}),
    Article("SVC-SETUP", "上门安装调试", Unit.TIME, "200"),
    Article("SVC-CARE", "延长保修两年", Unit.TIME, "399"),
    Article("SVC-HOUR", "技术支持", Unit.HOUR, "180"),
]

DEFECTIVE = "CP"
TMALL, WEB, B2B = "TMALL", "WEB", "B2B"


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer with contact and address, of one shop."""

    code: str
    name: str
    phone: str
    email: str
    province: str
    city: str
    district: str
    street: str


PEOPLE = [
    Buyer("P01", "王秀英", "13800010001", "wangxy@example.com", "浙江省", "杭州市", "西湖区", "文三路 88 号 3 幢 502"),
    Buyer("P02", "张伟", "13800010002", "zhangwei@example.com", "江苏省", "南京市", "鼓楼区", "中山北路 120 号"),
    Buyer("P03", "李娜", "13800010003", "lina@example.com", "广东省", "广州市", "天河区", "体育西路 56 号 1204"),
    Buyer("P04", "刘洋", "13800010004", "liuyang@example.com", "四川省", "成都市", "武侯区", "人民南路四段 9 号"),
    Buyer("P05", "陈静", "13800010005", "chenjing@example.com", "上海市", "上海市", "徐汇区", "漕溪北路 33 弄 7 号"),
    Buyer("P06", "杨帆", "13800010006", "yangfan@example.com", "湖北省", "武汉市", "洪山区", "珞喻路 1037 号"),
    Buyer("P07", "赵磊", "13800010007", "zhaolei@example.com", "北京市", "北京市", "海淀区", "学院路 38 号"),
    Buyer("P08", "黄丽", "13800010008", "huangli@example.com", "福建省", "厦门市", "思明区", "湖滨南路 201 号"),
    Buyer("P09", "周涛", "13800010009", "zhoutao@example.com", "陕西省", "西安市", "雁塔区", "科技路 12 号"),
    Buyer("P10", "吴倩", "13800010010", "wuqian@example.com", "湖南省", "长沙市", "岳麓区", "麓山南路 2 号"),
    Buyer("P11", "郑芳", "13800010011", "zhengfang@example.com", "山东省", "青岛市", "市南区", "香港中路 40 号"),
    Buyer("P12", "孙浩", "13800010012", "sunhao@example.com", "辽宁省", "大连市", "中山区", "人民路 15 号"),
    Buyer("P13", "马超", "13800010013", "machao@example.com", "河南省", "郑州市", "金水区", "花园路 7 号"),
    Buyer("P14", "朱琳", "13800010014", "zhulin@example.com", "安徽省", "合肥市", "蜀山区", "黄山路 62 号"),
    Buyer("P15", "胡军", "13800010015", "hujun@example.com", "江西省", "南昌市", "东湖区", "八一大道 300 号"),
    Buyer("P16", "林晓", "13800010016", "linxiao@example.com", "福建省", "福州市", "鼓楼区", "五四路 109 号"),
    Buyer("P17", "何雪", "13800010017", "hexue@example.com", "云南省", "昆明市", "五华区", "翠湖西路 21 号"),
    Buyer("P18", "郭鹏", "13800010018", "guopeng@example.com", "山西省", "太原市", "小店区", "长风街 113 号"),
    Buyer("P19", "罗敏", "13800010019", "luomin@example.com", "重庆市", "重庆市", "渝中区", "民权路 28 号"),
    Buyer("P20", "梁斌", "13800010020", "liangbin@example.com", "广西", "南宁市", "青秀区", "民族大道 131 号"),
    Buyer("P21", "宋佳", "13800010021", "songjia@example.com", "河北省", "石家庄市", "长安区", "中山东路 39 号"),
    Buyer("P22", "唐宁", "13800010022", "tangning@example.com", "贵州省", "贵阳市", "云岩区", "延安东路 66 号"),
    Buyer("P23", "许晴", "13800010023", "xuqing@example.com", "天津市", "天津市", "和平区", "南京路 189 号"),
    Buyer("P24", "韩冰", "13800010024", "hanbing@example.com", "黑龙江省", "哈尔滨市", "南岗区", "西大直街 92 号"),
    Buyer("P25", "冯涛", "13800010025", "fengtao@example.com", "吉林省", "长春市", "朝阳区", "人民大街 5 号"),
    Buyer("P26", "曹颖", "13800010026", "caoying@example.com", "海南省", "海口市", "龙华区", "滨海大道 77 号"),
    Buyer("P27", "彭飞", "13800010027", "pengfei@example.com", "甘肃省", "兰州市", "城关区", "庆阳路 211 号"),
    Buyer("P28", "曾丽", "13800010028", "zengli@example.com", "广东省", "深圳市", "福田区", "深南大道 6008 号"),
    Buyer("P29", "田甜", "13800010029", "tiantian@example.com", "浙江省", "宁波市", "海曙区", "中山西路 138 号"),
    Buyer("P30", "董洁", "13800010030", "dongjie@example.com", "江苏省", "无锡市", "梁溪区", "中山路 333 号"),
]
COMPANIES = [
    Buyer("K01", "北京云杉科技", "01060000001", "it@yunshan.example", "北京市", "北京市", "朝阳区", "望京街 10 号"),
    Buyer("K02", "上海海岚设计", "02160000002", "it@hailan.example", "上海市", "上海市", "静安区", "延平路 121 号"),
    Buyer("K03", "深圳鹏远电子", "07556000003", "it@pengyuan.example", "广东省", "深圳市", "南山区", "科苑路 15 号"),
    Buyer("K04", "成都青禾教育", "02860000004", "it@qinghe.example", "四川省", "成都市", "高新区", "天府大道 300 号"),
    Buyer("K05", "苏州恒信精密", "05126000005", "it@hengxin.example", "江苏省", "苏州市", "工业园区", "星湖街 218 号"),
    Buyer("K06", "杭州栖湖网络", "057160000006", "it@qihu.example", "浙江省", "杭州市", "滨江区", "江南大道 588 号"),
    Buyer(
        "K07", "武汉楚川建筑", "02760000007", "it@chuchuan.example", "湖北省", "武汉市", "江汉区", "解放大道 690 号"
    ),
    Buyer("K08", "西安秦岳物流", "02960000008", "it@qinyue.example", "陕西省", "西安市", "未央区", "凤城八路 25 号"),
    Buyer("K09", "广州粤新传媒", "02060000009", "it@yuexin.example", "广东省", "广州市", "海珠区", "新港中路 397 号"),
    Buyer("K10", "青岛蓝湾医疗", "053260000010", "it@lanwan.example", "山东省", "青岛市", "崂山区", "海尔路 182 号"),
]

# SKU, quantity and, where it is not the product's, the unit price.
Basket = Sequence[tuple[str, ...]]
BASKETS: dict[str, list[Basket]] = {
    TMALL: [
        [(NOTEBOOK, "1")],
        [("PHONE-X", "1"), ("BUDS-3", "1")],
        [("MON-27", "1"), ("DOCK-C", "1")],
        [("KB-87", "1"), ("MOUSE-2", "1")],
        [("TAB-11", "1"), ("SVC-CARE", "1")],
        [("WATCH-2", "2")],
        [("SSD-2T", "1"), ("RAM-32", "2")],
    ],
    WEB: [
        [("MON-34", "1")],
        [("ROUTER-6", "1"), ("MOUSE-2", "1")],
        [("PC-MINI", "1"), ("SSD-1T", "1"), ("RAM-32", "1")],
        [("BUDS-3", "2")],
        [("NB-16", "1"), ("DOCK-C", "1"), ("SVC-CARE", "1")],
    ],
    B2B: [
        [("NB-16", "5"), ("DOCK-C", "5"), ("SVC-SETUP", "5")],
        [("MON-34", "8"), ("CAB-6", "60.5")],
        [("PC-MINI", "10"), ("KB-87", "10"), ("MOUSE-2", "10")],
        [("ROUTER-6", "6"), ("CAB-6", "305"), ("SVC-HOUR", "7.5")],
        [("PC-TOWER", "2"), ("MON-27", "4"), ("CAB-6", "20")],
    ],
}
SCARCE: Basket = [(SERVER, "2"), ("SSD-2T", "4")]
TWO_PARCELS: Basket = [("KB-87", "2"), ("MOUSE-2", "2")]
WITH_GIFT: Basket = [("PHONE-X", "1"), ("BUDS-3", "1", "0")]
SERVICES: Basket = [("SVC-SETUP", "2"), ("SVC-HOUR", "3.5")]
SAMPLE: Basket = [("MOUSE-2", "1", "0")]


def furnish(*, decision: Decision) -> None:
    """Shops, warehouses, carriers and products, as the administrator enters them."""
    masterdata.add(_shops(), decision=decision)
    masterdata.add(
        [
            Warehouse(code="SH", name="上海仓", currency=CURRENCY),
            Warehouse(code="SZ", name="深圳仓", currency=CURRENCY),
            Warehouse(code=DEFECTIVE, name="次品仓", currency=CURRENCY, is_defective=True),
        ],
        decision=decision,
    )
    masterdata.add(
        [
            Carrier(code="SF", name="顺丰速运", phone="95338"),
            Carrier(code="ZTO", name="中通快递", phone="95311"),
            Carrier(code="DEPPON", name="德邦物流", phone="95353"),
            Carrier(code="SHAN", name="闪送同城", phone="4006126688"),
        ],
        decision=decision,
    )
    masterdata.add([_product(article) for article in ARTICLES], decision=decision)


def deliveries() -> list[ReceiptDraft]:
    """What the suppliers deliver before business starts: one receipt per warehouse."""
    return [
        ReceiptDraft(
            warehouse=code,
            reference=f"PO-{code}-0001",
            lines=[
                ReceiptDraftLine(article.sku, Decimal(article.stock[code]), Decimal(article.cost))
                for article in ARTICLES
                if article.stock and code in article.stock
            ],
        )
        for code in ("SH", "SZ")
    ]


def _shops() -> list[Shop]:
    return [
        Shop(code=TMALL, name="天猫旗舰店", currency=CURRENCY, terms=Terms.PREPAID),
        Shop(code=WEB, name="官网商城", currency=CURRENCY, terms=Terms.PREPAID),
        Shop(
            code=B2B,
            name="企业客户",
            currency=CURRENCY,
            terms=Terms.CREDIT,
            credit_days=30,
            allows_backorder=True,
            tolerance=Decimal(1),
        ),
    ]


def _product(article: Article) -> Product:
    return Product(
        sku=article.sku,
        name=article.name,
        kind=ProductKind.STOCKED if article.stock else ProductKind.SERVICE,
        unit=article.unit,
        price=Decimal(article.price),
        currency=CURRENCY,
        tax_rate=TAX_RATE,
    )
