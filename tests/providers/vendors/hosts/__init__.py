"""Tests of the compatible hosts."""
