"""
Days of the people who work with the product, from the first call to the closing record, every voucher line by line.

``test_selling``: prepaid · paid after delivery · a discount, 13 % tax and three dispatches · a gift · an order that
costs nothing · services only · a payment reported in error.
``test_closing_lines``: a remainder closed after part was sent, and refunded · a line closed before anything is sent ·
a remainder closed between dispatches.
``test_goods_back``: a return before closing and after it · refused · lost · scrapped · of an order that cost nothing ·
piece by piece.
``test_money_back``: a refund before shipment · refund only · too much paid · cancelled when paid, packed or shipped ·
charged back after a partial refund.
``test_giving_up``: a tail short, over, and beyond the tolerance · bad debt, and bad debt paid later.
``test_reopening``: reopened and closed again.
"""
