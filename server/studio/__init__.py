"""The studio: a page to see, compare and paint in, shown by hosts that support MCP Apps and by `atelier studio`.

Start with `app` (what such a host learns); `app_tools` are the calls that only the page makes, `page` builds the page
from the files in `page/`. `server/http/studio.py` opens it in a browser.
"""
