"""The service over HTTP as its customers meet it."""
