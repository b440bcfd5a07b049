"""The style library: files with words, colours, a model and reference images that the parameter `style` names.

Start with `style_file` (what a file holds), then `library` (where the files are) and `apply` (what a style adds to a
request); `save` writes a style from an image that was made.
"""
