"""The steps of one request: admit, price, reserve, dispatch, store, settle. Imports everything below.

Start with `pipeline` (Pipeline.run), which calls the other modules in that order.
"""
