"""Tests of `providers/pricing`."""
