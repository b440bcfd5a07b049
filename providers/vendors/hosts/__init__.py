"""Compatible hosts: vendors that a user adds by an entry in ATELIER_HOSTS, each of a dialect.

Read settings (what an entry holds), then dialects (which module makes a vendor of it), then openai.
"""
