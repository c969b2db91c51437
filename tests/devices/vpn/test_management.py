"""OpenVPN's management interface, as OpenVPN 2.6.14 speaks (recorded)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from devices.vpn.management import Management, clients

STATUS = (
    "TITLE\tOpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)] [LZO] [LZ4] [EPOLL] [PKCS11] [MH/PKTINFO]\r\n"
    "TIME\t2026-11-22 04:18:42\t1795321122\r\n"
    "HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tVirtual Address\tVirtual IPv6 Address\tBytes Received"
    "\tBytes Sent\tConnected Since\tConnected Since (time_t)\tUsername\tClient ID\tPeer ID"
    "\tData Channel Cipher\r\n"
    "CLIENT_LIST\tpump-1\t10.99.1.2:58124\t10.8.0.2\t\t1976\t1968\t2026-11-22 04:18:39\t1795321119\tUNDEF"
    "\t0\t0\tAES-256-GCM\r\n"
    "CLIENT_LIST\tUNDEF\t10.99.1.3:40000\t\t\t54\t14\t2026-11-22 04:18:41\t1795321121\tUNDEF\t1\t1\t\r\n"
    "HEADER\tROUTING_TABLE\tVirtual Address\tCommon Name\tReal Address\tLast Ref\tLast Ref (time_t)\r\n"
    "ROUTING_TABLE\t10.8.0.2\tpump-1\t10.99.1.2:58124\t2026-11-22 04:18:39\t1795321119\r\n"
    "GLOBAL_STATS\tMax bcast/mcast queue length\t1\r\n"
    "GLOBAL_STATS\tdco_enabled\t0\r\n"
    "END\r\n"
)
STATE = "1795321118,CONNECTED,SUCCESS,10.8.0.1,,,,\r\nEND\r\n"
ANSWERS = {
    "pid": "SUCCESS: pid=27861\r\n",
    "state": STATE,
    "status 3": f">CLIENT:ESTABLISHED,1\r\n{STATUS}",
    "secret": "ENTER PASSWORD:SUCCESS: password is correct\r\n",
    "wrong": "ENTER PASSWORD:ERROR: bad password\r\n",
}
WELCOME = ">INFO:OpenVPN Management Interface Version 5 -- type 'help' for more info\r\n"


class Recorded:
    """Answers one caller after the other from the recording, until the test ends."""

    def __init__(self, listener: socket.socket) -> None:
        self.answers = dict(ANSWERS)
        self.calls = 0
        self.hang_up = False  # after the next question
        self._listener = listener
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            with suppress(ConnectionError), caller, caller.makefile() as questions:  # it may go at any time
                self._answer(caller, questions)

    def _answer(self, caller: socket.socket, questions: TextIO) -> None:
        caller.sendall(WELCOME.encode())
        for question in questions:
            if self.hang_up:
                self.hang_up = False
                return
            caller.sendall(self.answers[question.strip()].encode())


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "management"))
        made.listen()
        yield made
        made.shutdown(socket.SHUT_RDWR)


def test_the_life_of_the_server_and_its_clients(listener: socket.socket) -> None:
    recorded = Recorded(listener)
    management = Management(listener.getsockname())
    assert management.boot() == "27861-1795321118"
    assert management.clients() == {"pump-1"}
    assert recorded.calls == 1
    management.close()


def test_who_is_shaking_hands_is_no_client() -> None:
    assert clients(STATUS.splitlines()) == {"pump-1"}
    assert clients(["CLIENT_LIST", "CLIENT_LIST\t", "", "ROUTING_TABLE\tx\ty"]) == set()


def test_it_connects_again_after_it_broke(listener: socket.socket) -> None:
    recorded = Recorded(listener)
    management = Management(listener.getsockname())
    recorded.hang_up = True
    with pytest.raises(OSError, match="closed the connection"):
        management.boot()
    assert management.boot() == "27861-1795321118"
    assert recorded.calls == 2
    management.close()


def test_a_server_that_does_not_serve_yet_has_no_life(listener: socket.socket) -> None:
    recorded = Recorded(listener)
    recorded.answers["state"] = STATE.replace("CONNECTED", "WAIT")
    management = Management(listener.getsockname())
    with pytest.raises(OSError, match="WAIT"):
        management.boot()
    management.close()


def test_a_password_over_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Recorded(listener)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        management = Management(address, "secret")
        assert management.boot() == "27861-1795321118"
        management.close()
        with pytest.raises(OSError, match="bad password"):
            Management(address, "wrong").boot()


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Management(str(tmp_path / "nothing")).boot()
