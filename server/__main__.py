"""`python -m atelier.server` is `atelier`."""

from atelier.server.main import main

main()
