"""``make bench``: how quick and how heavy the site is, measured on this machine. Ends with 1 when a budget is exceeded.

1. The embedded PostgreSQL: made from nothing, started again, already running.
2. Every public page that can be reached by links, from a database of its own with the demonstration in it, served as
   in production (one gunicorn process with eight threads, DEBUG off): time of one visitor, then of eight at once.
3. The pages of free times once more, with years of past visits in the database.
4. What the home page weighs, and what the web process keeps in memory afterwards.

Budgets are ratios of two things measured in the same run, for no two machines are as quick; weight and memory are the
same everywhere.
"""

# ruff: noqa: S310, S603, S607, T201 (a measurement starts programs, asks its own server and prints)

import gzip
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from clinic import localpg  # noqa: E402 (needs the path above)

ROUNDS = 5  # of every page, for one visitor
VISITORS = 8
SECONDS = 10  # how long the visitors go round
PAGES = 60  # at most
PAST_VISITS = 20_000
# What is measured in units of what, at most.
BUDGETS = {
    "the slowest public page, in home pages": 14.0,
    "the home page, in checks that the site is ready": 15.0,
    "pages of free times with years of visits, in the same pages without": 1.5,
    "the home page with all it loads, in 150 kB": 1.0,
    "a web process afterwards, in 150 MB": 1.0,
}
# What production wants said. Nothing is sent.
MAIL = {"DEFAULT_FROM_EMAIL": "clinic@localhost", "EMAIL_URL": "smtp://localhost", "TRUSTED_PROXY_COUNT": "0"}
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def milliseconds(times: list[float]) -> str:
    """Median and 95th percentile of durations in seconds."""
    ordered = sorted(times)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"median {statistics.median(ordered) * 1000:7.1f} ms   95 % {late * 1000:7.1f} ms"


def timed(action, *arguments):
    """What the action returned, and how many seconds it took."""
    begun = time.perf_counter()
    value = action(*arguments)
    return value, time.perf_counter() - begun


def bench_database() -> None:
    """Start clusters in a temporary directory; the project's own cluster is left alone."""
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    directory.chmod(0o755)  # the user who runs the server must enter it
    try:
        cluster, cold = timed(localpg.ensure_running, directory)
        localpg.stop(directory)
        _, warm = timed(localpg.ensure_running, directory)
        os.kill(localpg._without_parent_in(cluster.processes())[0], signal.SIGKILL)
        _, killed = timed(localpg.ensure_running, directory)
        _, running = timed(localpg.ensure_running, directory)
        localpg.stop(directory)
    finally:
        shutil.rmtree(directory)
    for label, seconds in [("from nothing", cold), ("stopped", warm), ("after kill -9", killed), ("running", running)]:
        print(f"embedded PostgreSQL, {label:15} {seconds:6.2f} s")


def get(url: str) -> tuple[bytes, str, int]:
    """Body as sent, content type, status."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    try:
        with OPENER.open(request, timeout=30) as answer:
            return answer.read(), answer.headers.get_content_type(), answer.status
    except urllib.error.HTTPError as error:
        return error.read(), error.headers.get_content_type(), error.code


def text(body: bytes) -> str:
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode(errors="replace")


def references(page: str, base: str, pattern: str) -> list[str]:
    """Addresses on the same host that the page names, in order, each once."""
    host = urllib.parse.urlsplit(base).netloc
    found = [urllib.parse.urldefrag(urllib.parse.urljoin(base, name)).url for name in re.findall(pattern, page)]
    return list(dict.fromkeys(url for url in found if urllib.parse.urlsplit(url).netloc == host))


def public_pages(home: str) -> list[str]:
    """Pages that a visitor reaches by links (GET never changes anything)."""
    queue: list[str] = [home]
    pages: list[str] = []
    seen = {home}
    while queue and len(pages) < PAGES:
        url = queue.pop(0)
        body, kind, status = get(url)
        if status >= 400:
            print(f"{url} answers {status}")
            continue
        if kind != "text/html":
            continue
        pages.append(url)
        for link in references(text(body), url, r'<a [^>]*?href="([^"]+)"'):
            if link not in seen and "/admin" not in link:
                seen.add(link)
                queue.append(link)
    return pages


def quickest(*urls: str, rounds: int = 3 * ROUNDS) -> list[float]:
    """The shortest time of each page, in seconds, after a visit that does not count. They take turns, and the shortest
    is what other work on the machine disturbs least."""
    for url in urls:
        get(url)
    return [min(times) for times in zip(*([timed(get, url)[1] for url in urls] for _ in range(rounds)), strict=True)]


def bench_pages(home: str) -> dict[str, float]:
    """Every public page; returns the measured ratios."""
    pages = public_pages(home)
    print(f"\n{len(pages)} public pages, one visitor, {ROUNDS} times each")
    for url in pages:
        times = [timed(get, url)[1] for _ in range(ROUNDS)]
        print(f"  {milliseconds(times)}   {urllib.parse.urlsplit(url).path}")
    ready, *times = quickest(home + "readyz", home, *(url for url in pages if url != home))
    visitors(pages)
    return {
        "the slowest public page, in home pages": max(times) / times[0],
        "the home page, in checks that the site is ready": times[0] / ready,
    }


def visitors(pages: list[str]) -> None:
    """Several at once, for a while."""

    until = time.perf_counter() + SECONDS

    def visit(number: int) -> tuple[list[float], int]:
        times, failures, turn = [], 0, number
        while time.perf_counter() < until:
            (_, _, status), seconds = timed(get, pages[turn % len(pages)])
            times.append(seconds)
            failures += status >= 400
            turn += 1
        return times, failures

    with ThreadPoolExecutor(VISITORS) as pool:
        results = list(pool.map(visit, range(VISITORS)))
    times = [seconds for some, _ in results for seconds in some]
    failures = sum(count for _, count in results)
    print(f"{VISITORS} visitors at once: {len(times) / SECONDS:.0f} pages a second, {failures} failed")
    print(f"  {milliseconds(times)}")


def bench_history(home: str, fill) -> dict[str, float]:
    """The pages of free times before and after `fill` has put years of past visits into the database."""
    pages = [home + path for path in ("book/", "book/consultation/", "book/acne-scars-face/")]
    before = sum(quickest(*pages))
    fill()
    after = sum(quickest(*pages))
    print(
        f"\npages of free times, with {PAST_VISITS} past visits: {after * 1000:.1f} ms, before {before * 1000:.1f} ms"
    )
    return {"pages of free times with years of visits, in the same pages without": after / before}


# Run by manage.py as the owner of the tables: consultations of the last years, one an hour for each room.
FILL = """
from datetime import timedelta
from django.utils import timezone
from booking.models import Appointment
from clinic.models import Patient, Practitioner, Room, Treatment
talk = Treatment.objects.filter(kind="consultation").first()
people, patients = list(Practitioner.objects.all()), list(Patient.objects.all())
pairs = list(zip(people, Room.objects.all()))
first = timezone.now().replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=200)
rows = []
for number in range({count}):
    hour, pair = divmod(number, len(pairs))
    day, hour = divmod(hour, 9)
    start = first - timedelta(days=day) + timedelta(hours=hour)
    rows.append(Appointment(
        reference=str(number).zfill(8),  # of 20,000 random ones two may be the same
        patient=patients[number % len(patients)], treatment=talk, practitioner=pairs[pair][0], room=pairs[pair][1],
        starts_at=start, ends_at=start + timedelta(minutes=30), busy_until=start + timedelta(minutes=40),
        status="booked", status_changed_at=start, created_at=start))
Appointment.objects.bulk_create(rows, batch_size=1000)
"""


def bench_weight(home: str) -> float:
    """The home page with everything it loads, fonts and what the style sheets name included, as sent over the wire."""
    body, _, _ = get(home)
    parts = {home: len(body)}
    tags = r'<(?:link[^>]*rel="(?:stylesheet|icon|preload|manifest)"[^>]*|script[^>]*|img[^>]*|source[^>]*)>'
    wanted = references(" ".join(re.findall(tags, text(body))), home, r'(?:src|href)="([^"]+)"')
    while wanted:
        url = wanted.pop(0)
        if url in parts:
            continue
        content, kind, status = get(url)
        if status != 200:
            print(f"{url} answers {status}")
        parts[url] = len(content)
        if kind == "text/css":
            wanted += references(text(content), url, r'url\(["\']?(?!data:)([^"\')]+)')
    print(f"\nhome page with all it may load: {sum(parts.values()) / 1000:.0f} kB compressed, {len(parts)} files")
    for url, size in sorted(parts.items(), key=lambda part: -part[1])[:6]:
        print(f"  {size / 1000:7.1f} kB  {urllib.parse.urlsplit(url).path}")
    return sum(parts.values()) / 1000


def resident(pid: int) -> float:
    """Resident memory of a process in MB (2**20 bytes)."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) / 1024


def children(pid: int) -> list[int]:
    listed = subprocess.check_output(["ps", "-eo", "pid=,ppid="], text=True).split()
    return [int(child) for child, parent in zip(listed[::2], listed[1::2], strict=True) if int(parent) == pid]


def main() -> None:
    bench_database()
    os.chdir(PROJECT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = f"http://localhost:{port}/"
    development = os.environ | {"LOCALDB_NAME": "clinic_bench", "PUBLIC_URL": home}
    development.pop("DATABASE_URL", None)
    # A database of its own and from nothing: the visits of the last run would be measured twice.
    cluster = localpg.ensure_running(PROJECT)
    cluster.sql("DROP DATABASE IF EXISTS clinic_bench WITH (FORCE)")
    for command in (["migrate", "--verbosity", "0"], ["setup_clinic"], ["demo"], ["collectstatic", "--no-input"]):
        production = {"DEBUG": "false", "ALLOW_LOCALDB": "true"} | MAIL if command[0] == "collectstatic" else {}
        subprocess.run(
            [sys.executable, "manage.py", *command], env=development | production, check=True, stdout=subprocess.DEVNULL
        )
    gunicorn = [sys.executable, "-m", "gunicorn", "clinic.wsgi", "--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [*gunicorn, "--workers", "1", "--threads", "8", "--log-level", "warning"],
        env=development | {"DEBUG": "false", "ALLOW_LOCALDB": "true", "ALLOWED_HOSTS": "localhost"} | MAIL,
    )
    try:
        for _ in range(300):
            try:
                if get(home + "readyz")[2] == 200:
                    break
            except urllib.error.URLError:
                pass
            if server.poll() is not None:
                sys.exit("The web server ended; see above.")
            time.sleep(0.1)
        else:
            sys.exit("The site did not get ready in 30 s.")
        measured = bench_pages(home)
        measured |= bench_history(home, lambda: fill(development))
        measured["the home page with all it loads, in 150 kB"] = bench_weight(home) / 150
        if not shutil.which("ps"):
            sys.exit("No memory figure: there is no ps here (package procps).")
        heaviest = max(resident(pid) for pid in children(server.pid))
        print(f"\nweb process after all this: {heaviest:.0f} MB resident (its keeper {resident(server.pid):.0f} MB)")
        measured["a web process afterwards, in 150 MB"] = heaviest / 150
    finally:
        server.terminate()
        server.wait()
    print("\nbudgets")
    for what, most in BUDGETS.items():
        print(f"  {measured[what]:6.2f} of {most:5.2f}   {what}{'   EXCEEDED' if measured[what] > most else ''}")
    if any(measured[what] > most for what, most in BUDGETS.items()):
        sys.exit(1)


def fill(environment: dict[str, str]) -> None:
    """Years of past visits, written by the owner of the tables."""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", FILL.format(count=PAST_VISITS)]
    subprocess.run(command, env=environment | {"DATABASE_ROLE": "owner"}, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
