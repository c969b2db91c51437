"""One server process that shares its port with others: `python -m tests.bench.serve APP PORT`.

The kernel spreads connections over them (SO_REUSEPORT). uvicorn's own ways do not: its workers accept
from one queue, where the first awake takes all, and a socket by --fd counts as a Unix one, so that
answers wait 40 ms for Nagle.
"""

import socket
import sys

import uvicorn

HOST = "127.0.0.1"


def listener(port: int) -> socket.socket:
    """A socket bound to the port, any free one where it is 0."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((HOST, port))
    return bound


if __name__ == "__main__":
    app, number = sys.argv[1:]
    # As the README says for production.
    config = uvicorn.Config(
        app, access_log=False, proxy_headers=False, server_header=False, log_level="warning"
    )
    uvicorn.Server(config).run(sockets=[listener(int(number))])
