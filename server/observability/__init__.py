"""What an operator sees of a running server: log lines in `logs`, exported spans in `tracing`; `http` has /metrics."""
