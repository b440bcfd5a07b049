"""Tests of `providers/vendors/sketch`."""
