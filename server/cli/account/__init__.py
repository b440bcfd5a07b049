"""The commands about money and jobs: `spend`, `jobs` and `flush`."""
