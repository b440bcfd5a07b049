"""The steps of one request: admit, price, reserve, dispatch, store, settle. Imports everything below.

Start with `pipeline` (Pipeline), whose docstring lists the steps; then `admit`, `prepare`, `dispatch` and `result`.
`jobs` calls them one by one: ImageService the steps before anything is sent, JobRunner the rest.
"""
