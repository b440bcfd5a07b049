"""Tests of `providers/vendors`."""
