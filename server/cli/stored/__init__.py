"""The commands for stored images: `list`, `gallery`, `show`, `rm`, `prune`. Start with `assets`."""
