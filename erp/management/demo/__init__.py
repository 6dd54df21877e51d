"""The demo: an electronics company with four weeks of business, made by the services its staff uses."""
