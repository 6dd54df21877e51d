"""Grouped reads behind the reports: few queries, whatever the number of rows."""
