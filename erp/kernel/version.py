"""The application's version, kept in every closing record."""

VERSION = "0.1.0"
