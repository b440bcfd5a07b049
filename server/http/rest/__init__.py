"""The REST service for images: one envelope, one contract.

Start with `contract` (requests and answers), then `image_api` (generate, edit, estimate, models) and `asset_api` (what
is stored: show, fetch, delete, upload); `answers` turns a tool's answer into the contract's.
"""
