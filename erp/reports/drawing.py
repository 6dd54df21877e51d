"""Charts as the theme's components draw them: a template and its JSON, beside the table of the same rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from erp.reports.report import Answer

# Those of the keys beside a chart, in their order; from the theme, so that dark mode holds.
_COLOURS = [f"var(--color-{name})" for name in ("primary-600", "primary-300", "base-400", "primary-800", "base-300")]
_COLOURS.append("var(--color-base-600)")


class Drawing(NamedTuple):
    """:ivar template: what draws it, with ``data``. :ivar series: what the colours mean, in their order."""

    template: str
    data: str
    series: Sequence[str]


def drawing(answer: Answer, name: Callable[[Any], str]) -> Drawing | None:
    """What is drawn of an answer: nothing without rows. :param name: how the rows are called."""
    chart = answer.chart
    if chart is None or not answer.rows:
        return None
    rows = answer.rows[: chart.most]
    series = [
        {
            "label": str(answer.columns[no].label),
            # Only drawn: what counts stands in the table.
            "data": [float(row[no] or 0) for row in rows],
            **_style(place),
            **({"stack": "all"} if chart.is_stacked else {}),
        }
        for place, no in enumerate(chart.series)
    ]
    labels = [name(row[chart.labels]) for row in rows]
    return Drawing(
        f"unfold/components/chart/{chart.kind}.html",
        json.dumps({"labels": labels, "datasets": series}),
        [str(each["label"]) for each in series],
    )


def _style(place: int) -> Mapping[str, Any]:
    colour = _COLOURS[place]
    return {
        "backgroundColor": colour,
        "borderColor": colour,
        "displayYAxis": True,
        "grouped": True,
        "maxTicksXLimit": 12,
        "maxBarThickness": 28,
    }
