"""Tests of `providers/transport`."""
