"""Tests of `providers/transport/network`."""
