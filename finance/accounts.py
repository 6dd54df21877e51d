"""The accounts the product posts to, by what they are for."""

BANK = "1002"
WALLETS = "1012"
RECEIVABLE = "1122"
BAD_DEBT_ALLOWANCE = "1231"
STOCK = "1405"
STOCK_DIFFERENCES = "1901"
PAYABLES = "2202"
ADVANCES = "2203"
OUTPUT_TAX = "2221"
REVENUE = "6001"
OTHER_INCOME = "6301"
COST_OF_SALES = "6401"
SELLING = "6601"
ADMINISTRATION = "6602"
FEES = "6603"
CREDIT_LOSS = "6702"
OTHER_LOSS = "6711"

CHART = [
    (BANK, "银行存款", "Bank"),
    (WALLETS, "其他货币资金", "Wallets and other money"),
    (RECEIVABLE, "应收账款", "Accounts receivable"),
    (BAD_DEBT_ALLOWANCE, "坏账准备", "Bad-debt allowance"),
    (STOCK, "库存商品", "Stock"),
    (STOCK_DIFFERENCES, "待处理财产损溢", "Stock differences"),
    (PAYABLES, "应付账款", "Accounts payable"),
    (ADVANCES, "预收账款", "Advances from customers"),
    (OUTPUT_TAX, "应交税费—应交增值税(销项税额)", "Output VAT"),
    (REVENUE, "主营业务收入", "Revenue"),
    (OTHER_INCOME, "营业外收入", "Other income"),
    (COST_OF_SALES, "主营业务成本", "Cost of sales"),
    (SELLING, "销售费用", "Selling expenses"),
    (ADMINISTRATION, "管理费用", "Administrative expenses"),
    (FEES, "财务费用", "Fees"),
    (CREDIT_LOSS, "信用减值损失", "Credit losses"),
    (OTHER_LOSS, "营业外支出", "Other losses"),
]

# Accounts whose entries tell what goods cost: shown only to those who may see cost.
COST_ACCOUNTS = frozenset({STOCK, STOCK_DIFFERENCES, PAYABLES, COST_OF_SALES, SELLING, ADMINISTRATION})
