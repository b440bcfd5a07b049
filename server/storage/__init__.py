"""Storage of images: a local folder, S3, and the queue of images that wait to be uploaded.

Start with `local`; `caller_storages` chooses the storage of a caller. Imports `providers`.
"""
