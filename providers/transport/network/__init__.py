"""The HTTP clients, proxies, and the rules that keep requests away from private addresses.

Start with `http_client`; `address_policy` decides which addresses may be dialled.
"""
