"""Jobs that outlive the call that began them.

Start with `service` (ImageService).
"""
