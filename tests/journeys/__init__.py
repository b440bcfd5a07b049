"""Whole stories of users, through real processes and official clients."""
