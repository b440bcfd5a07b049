"""Hosts and clients that others wrote, and the protocol's own suites, against the real server."""
