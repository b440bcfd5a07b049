"""Tests of `providers/images`."""
