"""Tests of `tools/parameters`."""
