"""Measures of Atelier, each beside a floor in the same run: see README.md here. Start with `__main__`."""
