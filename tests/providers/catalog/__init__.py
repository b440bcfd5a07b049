"""Tests of `providers/catalog`."""
