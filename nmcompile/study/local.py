"""A Dask cluster on this computer that only this run can talk to.

Whoever reaches a Dask scheduler has it run code. Ours, and its workers, speak TLS with keys that were made for this run
and are only in its memory, and open no port but those.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from logging import WARNING
from typing import Any

import dask
from distributed import Nanny, Scheduler, SpecCluster, Worker
from distributed.security import Security


class QuietScheduler(Scheduler):
    """Without Dask's HTTP server, which it starts even where no dashboard is wanted."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Nothing."""


class QuietWorker(Worker):
    """The same of a worker."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def local_cluster(processes: int) -> Iterator[SpecCluster]:
    """A scheduler in this process, and workers of one thread, until the block ends."""
    security = Security.temporary()
    common: dict[str, Any] = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    with tempfile.TemporaryDirectory(prefix="nmcompile-", ignore_cleanup_errors=True) as folder:  # nobody else's
        options = common | {
            "nthreads": 1,
            "worker_class": QuietWorker,
            "local_directory": folder,
            "silence_logs": WARNING,
        }
        workers = {number: {"cls": Nanny, "options": options} for number in range(processes)}
        scheduler = {"cls": QuietScheduler, "options": common | {"dashboard": False, "dashboard_address": None}}
        patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})  # else a slow restart is the last
        named = {"security": security, "name": "nmcompile", "silence_logs": WARNING}
        with patience, SpecCluster(workers=workers, scheduler=scheduler, **named) as cluster:
            yield cluster
