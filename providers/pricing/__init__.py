"""Prices: the estimate before a call, the bill after it, budgets. Imports `vendors` and lower packages.

Start with `estimate`; `prices.json` holds the figures with source and date.
"""
