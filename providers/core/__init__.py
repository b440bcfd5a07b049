"""Types, errors, sizes, ids and the gates: what every other package uses. Performs no I/O and imports nothing of ours.

Start with `types` (ImageRequest, Model, ImageResult) and `errors` (ImageError and its closed list of reasons).
"""
