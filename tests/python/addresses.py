"""Addresses and blocks as text: read once, compared often."""

import functools
import ipaddress

address = functools.cache(ipaddress.ip_address)
block = functools.cache(ipaddress.ip_network)


@functools.cache
def is_inside(text, *blocks):
    """Whether an address is in one of the blocks; those of the other family hold nothing of it."""
    there = address(text)
    return any(block(b).version == there.version and there in block(b) for b in blocks)
