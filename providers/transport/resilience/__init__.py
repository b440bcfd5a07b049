"""Retries, circuit breakers and concurrency limits.

`retry` holds the table of answers after which a paid request may be repeated.
"""
