"""The commands for stored images: `list`, `gallery`, `show`, `rm`, `prune`, `studio`. Start with `assets`."""
