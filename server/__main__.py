"""`python -m atelier`, where the wheel has a copy of this file, and `python -m atelier.server` are `atelier`."""

from atelier.server.main import main

main()
