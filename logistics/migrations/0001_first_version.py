from decimal import Decimal

import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import erp.kernel.acting
import erp.kernel.fields
import erp.kernel.fsm


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("inventory", "0001_first_version"),
        ("orders", "0001_first_version"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Carrier",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=32, unique=True, verbose_name="code")),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                ("phone", models.CharField(blank=True, max_length=40, verbose_name="phone")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
            ],
            options={
                "verbose_name": "carrier",
                "verbose_name_plural": "carriers",
            },
        ),
        migrations.CreateModel(
            name="HistoricalCarrier",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                (
                    "actor_name",
                    models.CharField(
                        default=erp.kernel.acting.current_name, editable=False, max_length=150, verbose_name="name"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Back office"),
                            ("bulk", "Bulk run"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("job", "Scheduled job"),
                        ],
                        default=erp.kernel.acting.current_channel,
                        editable=False,
                        max_length=10,
                        verbose_name="channel",
                    ),
                ),
                (
                    "request_id",
                    models.CharField(
                        blank=True,
                        default=erp.kernel.acting.current_request_id,
                        editable=False,
                        max_length=64,
                        verbose_name="request",
                    ),
                ),
                ("code", models.CharField(max_length=32, verbose_name="code")),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                ("phone", models.CharField(blank=True, max_length=40, verbose_name="phone")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(default=erp.kernel.acting.current_reason)),
                (
                    "history_type",
                    models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        default=erp.kernel.acting.current_user_id,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical carrier",
                "verbose_name_plural": "historical carriers",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalShipment",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                (
                    "actor_name",
                    models.CharField(
                        default=erp.kernel.acting.current_name, editable=False, max_length=150, verbose_name="name"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Back office"),
                            ("bulk", "Bulk run"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("job", "Scheduled job"),
                        ],
                        default=erp.kernel.acting.current_channel,
                        editable=False,
                        max_length=10,
                        verbose_name="channel",
                    ),
                ),
                (
                    "request_id",
                    models.CharField(
                        blank=True,
                        default=erp.kernel.acting.current_request_id,
                        editable=False,
                        max_length=64,
                        verbose_name="request",
                    ),
                ),
                ("number", models.CharField(max_length=20, verbose_name="shipment number")),
                ("tracking_number", models.CharField(blank=True, max_length=64, verbose_name="tracking number")),
                (
                    "status",
                    erp.kernel.fsm.StatusField(
                        choices=[
                            ("draft", "Draft"),
                            ("packed", "Packed"),
                            ("dispatched", "Dispatched"),
                            ("delivered", "Delivered"),
                            ("refused", "Refused"),
                            ("lost", "Lost"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="draft",
                        max_length=12,
                        protected=True,
                        verbose_name="status",
                    ),
                ),
                ("packed_at", models.DateTimeField(blank=True, null=True, verbose_name="packed")),
                ("dispatched_at", models.DateTimeField(blank=True, null=True, verbose_name="dispatched")),
                ("delivered_at", models.DateTimeField(blank=True, null=True, verbose_name="delivered")),
                ("undelivered_at", models.DateTimeField(blank=True, null=True, verbose_name="refused or lost")),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(default=erp.kernel.acting.current_reason)),
                (
                    "history_type",
                    models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1),
                ),
                (
                    "carrier",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="logistics.carrier",
                        verbose_name="carrier",
                    ),
                ),
                (
                    "delivered_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="delivery noted by",
                    ),
                ),
                (
                    "dispatched_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="dispatched by",
                    ),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        default=erp.kernel.acting.current_user_id,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "method",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orders.shippingmethod",
                        verbose_name="shipping method",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orders.order",
                        verbose_name="order",
                    ),
                ),
                (
                    "packed_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="packed by",
                    ),
                ),
                (
                    "undelivered_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="refusal or loss noted by",
                    ),
                ),
                (
                    "warehouse",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="inventory.warehouse",
                        verbose_name="warehouse",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical shipment",
                "verbose_name_plural": "historical shipments",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="Shipment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=20, unique=True, verbose_name="shipment number")),
                ("tracking_number", models.CharField(blank=True, max_length=64, verbose_name="tracking number")),
                (
                    "status",
                    erp.kernel.fsm.StatusField(
                        choices=[
                            ("draft", "Draft"),
                            ("packed", "Packed"),
                            ("dispatched", "Dispatched"),
                            ("delivered", "Delivered"),
                            ("refused", "Refused"),
                            ("lost", "Lost"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="draft",
                        max_length=12,
                        protected=True,
                        verbose_name="status",
                    ),
                ),
                ("packed_at", models.DateTimeField(blank=True, null=True, verbose_name="packed")),
                ("dispatched_at", models.DateTimeField(blank=True, null=True, verbose_name="dispatched")),
                ("delivered_at", models.DateTimeField(blank=True, null=True, verbose_name="delivered")),
                ("undelivered_at", models.DateTimeField(blank=True, null=True, verbose_name="refused or lost")),
                (
                    "carrier",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="logistics.carrier",
                        verbose_name="carrier",
                    ),
                ),
                (
                    "delivered_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="delivery noted by",
                    ),
                ),
                (
                    "dispatched_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="dispatched by",
                    ),
                ),
                (
                    "method",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="orders.shippingmethod",
                        verbose_name="shipping method",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="orders.order",
                        verbose_name="order",
                    ),
                ),
                (
                    "packed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="packed by",
                    ),
                ),
                (
                    "undelivered_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="refusal or loss noted by",
                    ),
                ),
                (
                    "warehouse",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="inventory.warehouse",
                        verbose_name="warehouse",
                    ),
                ),
            ],
            options={
                "verbose_name": "shipment",
                "verbose_name_plural": "shipments",
                "permissions": [
                    ("pack_shipment", "Can draft, pack and cancel shipments"),
                    ("dispatch_shipment", "Can dispatch shipments"),
                    ("deliver_shipment", "Can note tracking, delivery, refusal and loss"),
                    ("review_logistics", "Can review logistics information"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Return",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=20, unique=True, verbose_name="return number")),
                (
                    "calls_back",
                    models.BooleanField(
                        default=False,
                        help_text="Raised by the request to cancel an order under way.",
                        verbose_name="called back",
                    ),
                ),
                ("reason", models.CharField(max_length=12, verbose_name="reason code")),
                (
                    "party",
                    models.CharField(
                        choices=[
                            ("customer", "Customer"),
                            ("seller", "Seller"),
                            ("carrier", "Carrier"),
                            ("system", "System"),
                        ],
                        max_length=10,
                        verbose_name="party",
                    ),
                ),
                (
                    "status",
                    erp.kernel.fsm.StatusField(
                        choices=[
                            ("requested", "Requested"),
                            ("approved", "Approved"),
                            ("received", "Received"),
                            ("rejected", "Rejected"),
                        ],
                        default="requested",
                        max_length=12,
                        protected=True,
                        verbose_name="status",
                    ),
                ),
                ("requested_at", models.DateTimeField(verbose_name="requested")),
                ("approved_at", models.DateTimeField(blank=True, null=True, verbose_name="approved")),
                ("received_at", models.DateTimeField(blank=True, null=True, verbose_name="received")),
                ("rejected_at", models.DateTimeField(blank=True, null=True, verbose_name="rejected")),
                (
                    "approved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="approved by",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="orders.order",
                        verbose_name="order",
                    ),
                ),
                (
                    "received_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="received by",
                    ),
                ),
                (
                    "rejected_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="rejected by",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
                (
                    "shipment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="logistics.shipment",
                        verbose_name="refused or lost shipment",
                    ),
                ),
            ],
            options={
                "verbose_name": "return",
                "verbose_name_plural": "returns",
                "permissions": [
                    ("request_return", "Can request a return"),
                    ("approve_return", "Can approve or reject a return"),
                    ("receive_return", "Can receive and inspect a return"),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoricalReturn",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                (
                    "actor_name",
                    models.CharField(
                        default=erp.kernel.acting.current_name, editable=False, max_length=150, verbose_name="name"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Back office"),
                            ("bulk", "Bulk run"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("job", "Scheduled job"),
                        ],
                        default=erp.kernel.acting.current_channel,
                        editable=False,
                        max_length=10,
                        verbose_name="channel",
                    ),
                ),
                (
                    "request_id",
                    models.CharField(
                        blank=True,
                        default=erp.kernel.acting.current_request_id,
                        editable=False,
                        max_length=64,
                        verbose_name="request",
                    ),
                ),
                ("number", models.CharField(max_length=20, verbose_name="return number")),
                (
                    "calls_back",
                    models.BooleanField(
                        default=False,
                        help_text="Raised by the request to cancel an order under way.",
                        verbose_name="called back",
                    ),
                ),
                ("reason", models.CharField(max_length=12, verbose_name="reason code")),
                (
                    "party",
                    models.CharField(
                        choices=[
                            ("customer", "Customer"),
                            ("seller", "Seller"),
                            ("carrier", "Carrier"),
                            ("system", "System"),
                        ],
                        max_length=10,
                        verbose_name="party",
                    ),
                ),
                (
                    "status",
                    erp.kernel.fsm.StatusField(
                        choices=[
                            ("requested", "Requested"),
                            ("approved", "Approved"),
                            ("received", "Received"),
                            ("rejected", "Rejected"),
                        ],
                        default="requested",
                        max_length=12,
                        protected=True,
                        verbose_name="status",
                    ),
                ),
                ("requested_at", models.DateTimeField(verbose_name="requested")),
                ("approved_at", models.DateTimeField(blank=True, null=True, verbose_name="approved")),
                ("received_at", models.DateTimeField(blank=True, null=True, verbose_name="received")),
                ("rejected_at", models.DateTimeField(blank=True, null=True, verbose_name="rejected")),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.TextField(default=erp.kernel.acting.current_reason)),
                (
                    "history_type",
                    models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="approved by",
                    ),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        default=erp.kernel.acting.current_user_id,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="orders.order",
                        verbose_name="order",
                    ),
                ),
                (
                    "received_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="received by",
                    ),
                ),
                (
                    "rejected_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="rejected by",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
                (
                    "shipment",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="logistics.shipment",
                        verbose_name="refused or lost shipment",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical return",
                "verbose_name_plural": "historical returns",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="ShipmentLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("quantity", erp.kernel.fields.FixedPointField(verbose_name="quantity")),
                ("amount", erp.kernel.fields.FixedPointField(default=Decimal("0"), verbose_name="amount")),
                ("tax", erp.kernel.fields.FixedPointField(default=Decimal("0"), verbose_name="tax included")),
                ("cost", erp.kernel.fields.FixedPointField(default=Decimal("0"), verbose_name="cost")),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="orders.line",
                        verbose_name="order line",
                    ),
                ),
                (
                    "shipment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="logistics.shipment",
                        verbose_name="shipment",
                    ),
                ),
            ],
            options={
                "verbose_name": "shipment line",
                "verbose_name_plural": "shipment lines",
            },
        ),
        migrations.CreateModel(
            name="ReturnLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("quantity", erp.kernel.fields.FixedPointField(verbose_name="quantity")),
                (
                    "share",
                    erp.kernel.fields.FixedPointField(blank=True, null=True, verbose_name="share of the amount"),
                ),
                ("credit", erp.kernel.fields.FixedPointField(blank=True, null=True, verbose_name="agreed credit")),
                (
                    "goods_return",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="logistics.return",
                        verbose_name="return",
                    ),
                ),
                (
                    "shipment_line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="logistics.shipmentline",
                        verbose_name="shipment line",
                    ),
                ),
            ],
            options={
                "verbose_name": "return line",
                "verbose_name_plural": "return lines",
            },
        ),
        migrations.CreateModel(
            name="TrackingEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "by_name",
                    models.CharField(
                        default=erp.kernel.acting.current_name, editable=False, max_length=150, verbose_name="name"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(default=erp.kernel.acting.current_moment, editable=False, verbose_name="at"),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Back office"),
                            ("bulk", "Bulk run"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("job", "Scheduled job"),
                        ],
                        default=erp.kernel.acting.current_channel,
                        editable=False,
                        max_length=10,
                        verbose_name="channel",
                    ),
                ),
                (
                    "request_id",
                    models.CharField(
                        blank=True,
                        default=erp.kernel.acting.current_request_id,
                        editable=False,
                        max_length=64,
                        verbose_name="request",
                    ),
                ),
                (
                    "why",
                    models.TextField(
                        blank=True, default=erp.kernel.acting.current_reason, editable=False, verbose_name="reason"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("collected", "Collected"),
                            ("in_transit", "In transit"),
                            ("out_for_delivery", "Out for delivery"),
                            ("signed", "Signed"),
                            ("problem", "Problem"),
                            ("returned", "Returning"),
                            ("refused_by_recipient", "Refused"),
                        ],
                        max_length=20,
                        verbose_name="event",
                    ),
                ),
                ("happened_at", models.DateTimeField(verbose_name="happened")),
                ("place", models.CharField(blank=True, max_length=100, verbose_name="place")),
                ("text", models.CharField(blank=True, max_length=200, verbose_name="carrier's text")),
                (
                    "by",
                    models.ForeignKey(
                        default=erp.kernel.acting.current_user_id,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "shipment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="logistics.shipment",
                        verbose_name="shipment",
                    ),
                ),
            ],
            options={
                "verbose_name": "tracking event",
                "verbose_name_plural": "tracking events",
            },
        ),
        migrations.CreateModel(
            name="Inspection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "by_name",
                    models.CharField(
                        default=erp.kernel.acting.current_name, editable=False, max_length=150, verbose_name="name"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(default=erp.kernel.acting.current_moment, editable=False, verbose_name="at"),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("admin", "Back office"),
                            ("bulk", "Bulk run"),
                            ("api", "API"),
                            ("command", "Command line"),
                            ("job", "Scheduled job"),
                        ],
                        default=erp.kernel.acting.current_channel,
                        editable=False,
                        max_length=10,
                        verbose_name="channel",
                    ),
                ),
                (
                    "request_id",
                    models.CharField(
                        blank=True,
                        default=erp.kernel.acting.current_request_id,
                        editable=False,
                        max_length=64,
                        verbose_name="request",
                    ),
                ),
                (
                    "why",
                    models.TextField(
                        blank=True, default=erp.kernel.acting.current_reason, editable=False, verbose_name="reason"
                    ),
                ),
                (
                    "disposition",
                    models.CharField(
                        choices=[
                            ("restocked", "Restocked"),
                            ("defective", "Into a defective warehouse"),
                            ("scrapped", "Scrapped"),
                            ("lost", "Lost"),
                        ],
                        max_length=10,
                        verbose_name="disposition",
                    ),
                ),
                ("quantity", erp.kernel.fields.FixedPointField(verbose_name="quantity")),
                ("cost", erp.kernel.fields.FixedPointField(default=Decimal("0"), verbose_name="cost")),
                (
                    "by",
                    models.ForeignKey(
                        default=erp.kernel.acting.current_user_id,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "warehouse",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="inventory.warehouse",
                        verbose_name="warehouse",
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inspections",
                        to="logistics.returnline",
                        verbose_name="return line",
                    ),
                ),
            ],
            options={
                "verbose_name": "inspection",
                "verbose_name_plural": "inspections",
                "constraints": [
                    models.UniqueConstraint(fields=("line", "disposition"), name="logistics_inspection_once"),
                    models.CheckConstraint(
                        condition=models.Q(("cost__gte", 0), ("quantity__gt", 0)), name="logistics_inspection_amounts"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("disposition__in", ["defective", "restocked"]), ("warehouse__isnull", False)),
                            models.Q(("disposition__in", ["scrapped", "lost"]), ("warehouse__isnull", True)),
                            _connector="OR",
                        ),
                        name="logistics_inspection_warehouse",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="shipment",
            index=models.Index(fields=["tracking_number"], name="logistics_shipment_tracking"),
        ),
        migrations.AddConstraint(
            model_name="shipment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["draft", "packed", "dispatched", "delivered", "refused", "lost", "cancelled"])
                ),
                name="logistics_shipment_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="shipment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["delivered", "dispatched", "lost", "refused"]), _negated=True),
                    models.Q(("dispatched_at__isnull", False), ("dispatched_by__isnull", False)),
                    _connector="OR",
                ),
                name="logistics_shipment_dispatched_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="shipment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "delivered"), _negated=True), ("delivered_at__isnull", False), _connector="OR"
                ),
                name="logistics_shipment_delivered_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="shipment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("status__in", ["lost", "refused"]),
                        ("undelivered_at__isnull", False),
                        ("undelivered_by__isnull", False),
                    ),
                    models.Q(
                        models.Q(("status__in", ["lost", "refused"]), _negated=True),
                        ("undelivered_at", None),
                        ("undelivered_by", None),
                    ),
                    _connector="OR",
                ),
                name="logistics_shipment_undelivered",
            ),
        ),
        migrations.AddConstraint(
            model_name="return",
            constraint=models.UniqueConstraint(
                condition=models.Q(("shipment__isnull", False)), fields=("shipment",), name="logistics_return_shipment"
            ),
        ),
        migrations.AddConstraint(
            model_name="return",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["requested", "approved", "received", "rejected"])),
                name="logistics_return_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="return",
            constraint=models.CheckConstraint(
                condition=models.Q(("party__in", ["customer", "seller", "carrier", "system"])),
                name="logistics_return_party",
            ),
        ),
        migrations.AddConstraint(
            model_name="return",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("status", "requested"),
                        ("approved_at", None),
                        ("approved_by", None),
                        ("received_at", None),
                        ("received_by", None),
                        ("rejected_at", None),
                        ("rejected_by", None),
                    ),
                    models.Q(
                        ("status", "approved"),
                        ("approved_at__isnull", False),
                        ("approved_by__isnull", False),
                        ("received_at", None),
                        ("received_by", None),
                        ("rejected_at", None),
                        ("rejected_by", None),
                    ),
                    models.Q(
                        ("status", "received"),
                        ("approved_at__isnull", False),
                        ("approved_by__isnull", False),
                        ("received_at__isnull", False),
                        ("received_by__isnull", False),
                        ("rejected_at", None),
                        ("rejected_by", None),
                    ),
                    models.Q(
                        ("status", "rejected"),
                        models.Q(
                            models.Q(("approved_at__isnull", False), ("approved_by__isnull", False)),
                            models.Q(("approved_at", None), ("approved_by", None)),
                            _connector="OR",
                        ),
                        ("received_at", None),
                        ("received_by", None),
                        ("rejected_at__isnull", False),
                        ("rejected_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="logistics_return_signed",
            ),
        ),
        migrations.AddConstraint(
            model_name="return",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "rejected"), _negated=True), ("shipment__isnull", True), _connector="OR"
                ),
                name="logistics_return_of_shipment_is_received",
            ),
        ),
        migrations.AddConstraint(
            model_name="shipmentline",
            constraint=models.UniqueConstraint(fields=("shipment", "line"), name="logistics_shipmentline_once"),
        ),
        migrations.AddConstraint(
            model_name="shipmentline",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gt", 0)), name="logistics_shipmentline_quantity"
            ),
        ),
        migrations.AddConstraint(
            model_name="shipmentline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gte", 0), ("cost__gte", 0), ("tax__gte", 0), ("tax__lte", models.F("amount"))
                ),
                name="logistics_shipmentline_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="returnline",
            constraint=models.UniqueConstraint(
                fields=("goods_return", "shipment_line"), name="logistics_returnline_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="returnline",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gt", 0)), name="logistics_returnline_quantity"
            ),
        ),
        migrations.AddConstraint(
            model_name="returnline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("credit", None), ("share", None)),
                    models.Q(
                        ("credit__gte", 0),
                        ("credit__isnull", False),
                        ("credit__lte", models.F("share")),
                        ("share__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="logistics_returnline_credit",
            ),
        ),
        migrations.AddConstraint(
            model_name="trackingevent",
            constraint=models.UniqueConstraint(
                fields=("shipment", "kind", "happened_at", "place", "text"), name="logistics_tracking_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="trackingevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "collected",
                            "in_transit",
                            "out_for_delivery",
                            "signed",
                            "problem",
                            "returned",
                            "refused_by_recipient",
                        ],
                    )
                ),
                name="logistics_tracking_kind",
            ),
        ),
    ]
