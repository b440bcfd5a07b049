"""Image files: identify, decode, repair, resize, masks, provenance and source images. Imports `core` and `transport`.

Start with `identify` (bytes -> Picture) and `sources` (what a caller names -> bytes).
"""
