"""A study's own cluster: nobody else on this computer has code run on it, and a dead worker costs its own point."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import cloudpickle
import psutil
import pytest
from caches import own_cache

from nmcompile.study import execute
from nmcompile.study.local import local_cluster

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def cluster():
    with local_cluster(1) as cluster:
        cluster.wait_for_workers(1)
        yield cluster


def listening():
    """(host, port) of every port that this process and its children listen at."""
    found = set()
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add(tuple(connection.laddr))
    return found


def said(port, question=b"", secure=False):
    """What a port says to somebody without keys."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            line = context.wrap_socket(line)
        line.settimeout(3)
        line.sendall(question)
        while data := line.recv(4096):
            answer += data
    return answer


def test_a_cluster_listens_at_three_ports_of_this_computer_and_says_nothing_without_keys(cluster):
    """Of the scheduler, the worker, and who watches the worker; no HTTP, no dashboard."""
    ports = listening()
    assert len(ports) == 3
    assert {host for host, _ in ports} == {"127.0.0.1"}
    for _, port in ports:
        assert b"HTTP" not in said(port, b"GET / HTTP/1.0\r\n\r\n")
        assert said(port, secure=True) == b""


STRANGER = """
import asyncio, json, os, sys
from distributed import Client
from distributed.security import Security

given = json.load(sys.stdin)
own = Security.temporary()
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    assert os.geteuid() == 65534

def attempt(address, security):
    try:
        with Client(address, security=security, timeout=3) as client:
            return client.submit(os.getpid).result(timeout=20)
    except Exception as error:
        return type(error).__name__

address = given["address"]
keys = Security(require_encryption=True, **given["keys"])
print(json.dumps([
    attempt(address.replace("tls://", "tcp://"), None),
    attempt(address, own),
    attempt(address, keys),
]), flush=True)
os._exit(0)  # a client that was refused may wait for its threads
"""


def test_a_second_users_process_can_run_nothing(cluster):
    """Another uid where we may become one. With the keys, which it has no way to get, it could: the last one."""
    names = ("tls_ca_file", "tls_client_key", "tls_client_cert")
    keys = {name: getattr(cluster.security, name) for name in names}
    given = json.dumps({"address": cluster.scheduler_address, "keys": keys})
    run = [sys.executable, "-W", "ignore", "-c", STRANGER]
    done = subprocess.run(run, input=given, capture_output=True, text=True, cwd="/", timeout=90)
    *without, with_keys = json.loads(done.stdout)
    assert isinstance(with_keys, int), done.stderr
    assert all(isinstance(result, str) for result in without), without


def test_the_keys_are_in_no_file_and_on_no_command_line(cluster):
    key = cluster.security.tls_client_key.encode()
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
    secret = key.splitlines()[3]
    for process in psutil.Process().children(recursive=True):
        assert secret not in "\0".join(process.cmdline()).encode()
        for _, path in ((None, file.path) for file in process.open_files()):
            with open(path, "rb") as file:
                assert secret not in file.read(1 << 20)


@dataclass(frozen=True)
class Deadly:
    """A task that takes its worker along in the middle of others; `number` makes it one of its own."""

    SOURCES: ClassVar = ()
    number: int
    deadly: bool

    def __call__(self, _):
        if self.deadly:
            os._exit(9)
        return {"found": {"number": self.number}}


def test_deadly_points_among_others_cost_themselves_only(tmp_path, monkeypatch):
    own_cache(monkeypatch, tmp_path / "cache")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    deadly = {3, 4}
    tasks = {f"key{n}": Deadly(n, n in deadly) for n in range(9)}
    found = dict(execute.execute(tasks, {}, 2, None, lambda *_: None))
    assert {key for key, result in found.items() if "error" in result} == {f"key{n}" for n in deadly}, found
    assert all(found[f"key{n}"]["found"]["number"] == n for n in set(range(9)) - deadly)
    assert found["key3"] == {"error": execute.DIED, "exit_code": 6}
