"""Three workers, one of them killed with a message half out: none twice, none lost."""

import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from outbox import messages, worker
from outbox.models import Message
from tests.elsewhere import address_of_database

COUNT = 45


class Conversation(socketserver.StreamRequestHandler):
    """As much SMTP as a client needs to hand over a message."""

    def handle(self):
        self.say(b"220 ready")
        for line in self.rfile:
            command = line.split(None, 1)[0].upper() if line.split() else b""
            if command == b"DATA":
                self.say(b"354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                if line == b"":
                    break
                self.server.take(b"".join(lines), self.client_address[1])
            elif command == b"QUIT":
                self.say(b"221 bye")
                break
            self.say(b"250 ok")

    def say(self, answer):
        self.wfile.write(answer + b"\r\n")


class Server(socketserver.ThreadingTCPServer):
    """Keeps the Message-ID of all it took; `half_way` is set while the message number `hang_at` is being taken."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, hang_at=None):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.taken, self.guard = [], threading.Lock()
        self.hang_at, self.half_way, self.go_on = hang_at, threading.Event(), threading.Event()

    def handle_error(self, request, client_address):
        pass  # a killed worker hangs up in the middle

    def take(self, data, port):
        with self.guard:
            self.taken.append(re.search(rb"Message-ID: <([^@]+)@", data)[1].decode())
            hang = len(self.taken) == self.hang_at
        if hang:
            self.port_half_way = port
            self.half_way.set()
            self.go_on.wait(20)
        time.sleep(0.01)


@pytest.fixture
def server(request):
    made = Server(hang_at=10)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.go_on.set()
    made.shutdown()
    made.server_close()


@pytest.fixture
def start_worker(server, tmp_path):
    """Starts `manage.py send_due` as its own process on the database of the test."""
    base = Path(settings.BASE_DIR)
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "clinic.settings",
        "DATABASE_URL": address_of_database(),
        "DATABASE_OWNER_URL": "",
        "EMAIL_URL": f"smtp://127.0.0.1:{server.server_address[1]}",
    }
    processes = []
    log = (tmp_path / "workers.log").open("w")

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, base / "manage.py", "send_due", *arguments],
            env=env,
            cwd=base,
            stdout=log,
            stderr=log,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
    log.close()
    print((tmp_path / "workers.log").read_text())  # pytest shows it when the test fails


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def owner_of(port, processes):
    """Which of the processes holds the connection that comes from this port."""
    sockets = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if int(line.split()[1].split(":")[1], 16) == port
    }
    for process in processes:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.removeprefix("socket:[").rstrip("]") in sockets:
                return process
    raise AssertionError("nobody holds it")


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_sends_nothing_twice_and_loses_nothing(server, start_worker):
    now = timezone.now()
    words = {"when": "Thursday", "where": "Harbour Street", "link": "https://clinic.example/a/"}
    for number in range(COUNT):
        messages.queue("booked", key=f"booked:{number}", to="anna@example.org", context=words, now=now)
    workers = [start_worker("--loop") for _each in range(3)]
    assert server.half_way.wait(30), "no message came half way"
    killed = owner_of(server.port_half_way, workers)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(10) == -signal.SIGKILL
    server.go_on.set()
    until(lambda: Message.objects.filter(state="sent").count() == COUNT - 1)
    for process in workers:
        if process is not killed:
            process.send_signal(signal.SIGTERM)
    assert [process.wait(15) for process in workers if process is not killed] == [0, 0], "they end when told to"

    assert len(server.taken) == len(set(server.taken)), "none twice"
    (unclear,) = Message.objects.unclear(now=timezone.now() + timedelta(minutes=11))
    sent = {str(uuid) for uuid in Message.objects.filter(state="sent").values_list("uuid", flat=True)}
    assert sent | {str(unclear.uuid)} == {str(uuid) for uuid in Message.objects.values_list("uuid", flat=True)}
    assert sent <= set(server.taken), "none lost"
    assert worker.send_due(now=timezone.now() + timedelta(days=1)) == 0, "nobody sends the unclear one by itself"
