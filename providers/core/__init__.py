"""Types, errors, sizes, the gates, ids and spans: what every other package uses. No I/O; imports nothing of ours.

Start with `types` (ImageRequest, Model), `results` (ImageResult) and `errors` (ImageError, its reasons).
"""
