"""``make bench``: how quick and how heavy the site is, measured on this machine. Nothing here passes or fails.

1. The embedded PostgreSQL: made from nothing, started again, already running.
2. Every public page that can be reached by links, from a database of its own with the demonstration in it, served as
   in production (one gunicorn process with eight threads, DEBUG off): time of one visitor, then of eight at once.
3. What the home page weighs, and what the web process keeps in memory afterwards.
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
MAIL = {"DEFAULT_FROM_EMAIL": "clinic@localhost"}  # nothing is sent
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


def bench_pages(home: str) -> None:
    pages = public_pages(home)
    print(f"\n{len(pages)} public pages, one visitor, {ROUNDS} times each")
    for url in pages:
        times = [timed(get, url)[1] for _ in range(ROUNDS)]
        print(f"  {milliseconds(times)}   {urllib.parse.urlsplit(url).path}")

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


def bench_weight(home: str) -> None:
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
        bench_pages(home)
        bench_weight(home)
        if not shutil.which("ps"):
            sys.exit("No memory figure: there is no ps here (package procps).")
        workers = ", ".join(f"{resident(pid):.0f} MB" for pid in children(server.pid))
        print(f"\nweb process after all this: {workers} resident (its keeper {resident(server.pid):.0f} MB)")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
