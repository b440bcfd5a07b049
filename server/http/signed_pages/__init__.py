"""What people open in a browser by a signed link, without a token: an image, and a page that takes an upload."""
