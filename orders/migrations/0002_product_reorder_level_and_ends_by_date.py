from decimal import Decimal

from django.conf import settings
from django.db import migrations, models

import erp.kernel.fields


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0001_first_version"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="historicalproduct",
            name="reorder_level",
            field=erp.kernel.fields.FixedPointField(
                default=Decimal("0"),
                help_text="With less than this available in all warehouses together, stock is to be ordered. 0: no alert.",
                verbose_name="stock alert level",
            ),
        ),
        migrations.AddField(
            model_name="product",
            name="reorder_level",
            field=erp.kernel.fields.FixedPointField(
                default=Decimal("0"),
                help_text="With less than this available in all warehouses together, stock is to be ordered. 0: no alert.",
                verbose_name="stock alert level",
            ),
        ),
        migrations.AddIndex(
            model_name="closingrecord",
            index=models.Index(fields=["at"], name="orders_closingrecord_by_at"),
        ),
        migrations.AddIndex(
            model_name="lineclosing",
            index=models.Index(fields=["at"], name="orders_lineclosing_by_at"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("cancelled_at__isnull", False)),
                fields=["cancelled_at"],
                name="orders_order_by_cancelled",
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("reorder_level__gte", 0)), name="orders_product_reorder_level"
            ),
        ),
    ]
