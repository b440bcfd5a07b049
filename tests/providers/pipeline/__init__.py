"""Tests of `providers/pipeline`."""
