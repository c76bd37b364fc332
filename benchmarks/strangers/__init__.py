"""Clients that others wrote, each in a process of its own: what it hears goes to standard output, a JSON line a trade.

Every script takes the address of the feed and of the REST service, and needs nothing but its client. A line is
`[first id, last id, price, quantity, side, time in ms]`; whose side it is, and what an id counts, is the client's way.
"""
