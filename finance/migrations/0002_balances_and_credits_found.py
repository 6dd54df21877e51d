from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("finance", "0001_first_version"),
        ("orders", "0002_product_reorder_level_and_ends_by_date"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="credit",
            index=models.Index(fields=["at"], name="finance_credit_by_at"),
        ),
        migrations.AddIndex(
            model_name="orderbalance",
            index=models.Index(
                condition=models.Q(("receivable__gt", 0), ("advance__gt", 0), _connector="OR"),
                fields=["order"],
                name="finance_orderbalance_open",
            ),
        ),
    ]
