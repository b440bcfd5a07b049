"""Every exchange with a vendor: client, retry rules, deadlines, downloads, SSRF guard, lenient JSON. Imports `core`.

Start with `wire` (one exchange with a vendor) and `vendor_json` (its answer); `retry` has the table of refusals.
"""
