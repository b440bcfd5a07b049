"""Local HTTP servers that behave like the vendors: as strict, as lenient and as dear, one module per vendor.

Each is a `server.Emulator`: answers can be scripted, and requests can be read. Start with `openai`; what a vendor
accepts and how it words a failure is in `<vendor>_rules`. `atelier.providers.testing.fixtures` serves them to pytest.
"""
