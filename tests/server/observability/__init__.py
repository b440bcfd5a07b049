"""Tests of log lines and exported spans."""
