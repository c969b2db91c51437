"""Somebody who reads both histories all the time, while something else is done to them."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Final, Self

import psycopg
from django.conf import settings

READ: Final = "SELECT at FROM {} WHERE device_id = %s AND at > %s ORDER BY at DESC, id DESC LIMIT 1"
TABLES: Final = ("devices_statuschange", "devices_connectivityrecord")


class Waits:
    """The longest that one of its readings took, in seconds, while the block ran."""

    def __init__(self, device: int, start: datetime) -> None:
        self.longest, self.asked = 0.0, 0
        self._params = (device, start)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        with psycopg.connect(settings.DATABASE_URL, autocommit=True) as connection:
            while not self._ended.wait(0.005):
                for table in TABLES:
                    began = time.perf_counter()
                    connection.execute(READ.format(table), self._params)
                    self.longest = max(self.longest, time.perf_counter() - began)
                    self.asked += 1
