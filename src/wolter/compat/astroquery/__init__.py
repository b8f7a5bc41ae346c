"""Stands in for astroquery where that is not installed: `astroquery.heasarc`, as far as finding and fetching needs."""

from __future__ import annotations
