"""Tests of `providers/core/gates`."""
