"""One package per vendor, the contract they fulfil, and the registry that lists them.

Imports `core`, `transport` and `images`. Start with `contract` (Provider), then any vendor's `__init__`.
"""
