"""The commands that make images, price them, or list the models: `generate`, `edit`, `cost`, `models`."""
