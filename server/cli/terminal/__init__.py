"""What a terminal can do besides text: a spinner, images, opening a file. Start with `spinner`."""
