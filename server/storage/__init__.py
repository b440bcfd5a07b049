"""Where images are kept: a local folder or S3, and the queue of images that wait for their store.

Start with `local`; `caller_storages` decides which store a caller has. Imports `providers`.
"""
