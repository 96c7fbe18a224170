"""Whose request it is: the address that the rate limit counts by, and that the log names.

A client can send whatever headers it likes, so X-Forwarded-For is believed only behind a proxy, and of it only the last address: the
proxy has added that one itself, to whatever the client claimed before it.
"""

from collections.abc import Sequence
from ipaddress import ip_address


def client_address(peer: str, forwarded: Sequence[str], *, behind_proxy: bool) -> str:
    """The address of a client.

    Args:
        peer: who is connected; '' where that is not known.
        forwarded: the values of the X-Forwarded-For headers, in the order in which they came.
        behind_proxy: whether the peer is a proxy that has written the last of them.
    """
    last = forwarded[-1].rpartition(",")[2].partition("%")[0].strip() if behind_proxy and forwarded else ""
    try:
        return str(ip_address(last))
    except ValueError:
        return peer
