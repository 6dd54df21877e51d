from django.db import migrations

from erp.kernel.searching import SearchIndex


class Migration(migrations.Migration):
    dependencies = [
        ("site", "0001_readiness_and_saved_views"),
        ("orders", "0003_index_what_lists_filter_by"),
        ("logistics", "0002_inspections_by_date"),
    ]

    operations = [
        SearchIndex("orders.order", "external_number"),
        SearchIndex("orders.order", "customer_phone"),
        SearchIndex("orders.order", "customer_name", within=True),
        SearchIndex("orders.product", "sku"),
        SearchIndex("orders.product", "name", within=True),
        SearchIndex("logistics.shipment", "tracking_number"),
    ]
