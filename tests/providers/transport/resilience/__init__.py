"""Tests of `providers/transport/resilience`."""
