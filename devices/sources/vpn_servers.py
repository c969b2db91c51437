"""How the VPN servers of a source are named here: each service instance of its API is a server of its own."""

from __future__ import annotations


def server_name(source: int, number: int | None = None) -> str:
    """The name of the VPN server with this id in the API of the source with this primary key.

    None: how the names of all its servers begin.
    """
    return f"balena-{source}-{'' if number is None else number}"
