from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Right",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
            options={
                "verbose_name": "report",
                "verbose_name_plural": "reports",
                "permissions": [
                    ("view_sales", "Can see the sales report"),
                    ("view_margin", "Can see the gross margin report"),
                    ("view_ageing", "Can see the ageing of receivables"),
                    ("view_statement", "Can see customer statements"),
                    ("view_receipts", "Can see the receipts and refunds report"),
                    ("view_trial_balance", "Can see the trial balance"),
                    ("view_voucher_list", "Can see the voucher list"),
                    ("view_movements", "Can see the stock movement summary"),
                    ("view_on_hand", "Can see stock on hand and stock alerts"),
                    ("view_execution", "Can see the order execution report"),
                    ("view_closed_orders", "Can see the closed orders report"),
                    ("view_closing_reasons", "Can see the closing-reason analysis"),
                    ("view_overdue", "Can see the open overdue orders"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]
