from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0001_first_version"),
        ("orders", "0002_product_reorder_level_and_ends_by_date"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="move",
            index=models.Index(fields=["at"], name="inventory_move_by_at"),
        ),
    ]
