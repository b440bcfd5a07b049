"""What may be sent again, when a failing vendor is left alone, and how many calls run at once.

`retry` holds the table of answers after which a paid request may be repeated.
"""
