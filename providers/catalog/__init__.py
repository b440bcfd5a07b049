"""Which models exist and which one a request means: names, aliases, lifecycle and the user's overlay file.

Imports `pricing`, `vendors` and lower packages. Start with `catalog` (Catalog.resolve).
"""
