"""The commands that make images or price them: `generate`, `edit`, `cost`. Start with `image_call`."""
