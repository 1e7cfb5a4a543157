"""The embedded PostgreSQL: starts from nothing, survives what machines do to it, and is closed to other users.

Each test has a cluster of its own in a temporary directory; the one that the other tests share is not touched.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import environ
import psycopg2
import pytest
from django.core.management import CommandError, call_command

from clinic import localpg

ROOT = os.geteuid() == 0
REPOSITORY = Path(localpg.__file__).resolve().parent.parent


@contextmanager
def temporary_project():
    # pytest's own tmp_path is closed to the user who runs the server when we are root
    directory = Path(tempfile.mkdtemp(prefix="lp-", dir="/tmp")).resolve()
    directory.chmod(0o755)
    yield directory
    for home in directory.rglob(".localpg"):
        cluster = localpg._existing(home.parent)
        if cluster:
            for pid in cluster.processes():
                os.kill(pid, signal.SIGCONT)
            localpg.stop(home.parent)
            if cluster.socket_dir.parent == Path("/tmp"):
                shutil.rmtree(cluster.socket_dir)
    shutil.rmtree(directory)


@pytest.fixture
def project():
    """An empty project directory."""
    with temporary_project() as directory:
        yield directory


@pytest.fixture(scope="module")
def used_project():
    with temporary_project() as directory:
        yield directory


@pytest.fixture
def cluster(used_project):
    """A running cluster. Tests may stop, kill and confuse it, as long as it can be started afterwards."""
    return localpg.ensure_running(used_project)


def ask(cluster, statement, role="web", database="clinic"):
    connection = psycopg2.connect(cluster.url(role, database))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def postmaster(cluster):
    (pid,) = localpg._without_parent_in(cluster.processes())
    return pid


def in_another_process(project, count=1):
    code = (
        "import sys; from pathlib import Path; from clinic import localpg; "
        "print(localpg.ensure_running(Path(sys.argv[1])).url())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(project)], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(count)
    ]
    return [(*process.communicate(timeout=30), process.returncode) for process in started]


def test_cold_start_makes_a_server_with_two_roles_and_a_database(project):
    project = project / "a b'c%41"  # whatever a path may hold, the address stays right
    project.mkdir()
    (project / ".localpg").mkdir(mode=0o700)
    (project / ".localpg" / "new-half").mkdir()  # an earlier start was killed in the middle of making the cluster
    cluster = localpg.ensure_running(project)

    assert not list(cluster.home.glob("new-*"))
    assert ask(cluster, "SHOW server_version").startswith("18.")
    assert ask(cluster, "SHOW listen_addresses") == ""
    assert ask(cluster, "SHOW timezone") == "UTC"
    assert ask(cluster, "SHOW server_encoding") == "UTF8"
    assert ask(cluster, "SHOW fsync") == "on"
    assert stat.S_IMODE(cluster.data.stat().st_mode) == 0o700
    config = environ.Env.db_url_config(cluster.url())
    assert (config["USER"], config["NAME"], config["OPTIONS"]) == (
        "clinic_web",
        "clinic",
        {"host": str(cluster.socket_dir)},
    )

    powers = (
        "SELECT (rolsuper, rolcreatedb, rolcreaterole, rolbypassrls)::text FROM pg_roles WHERE rolname = current_user"
    )
    assert ask(cluster, powers, "web") == "(f,f,f,f)"
    assert ask(cluster, powers, "owner") == "(f,t,f,f)"
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert ask(cluster, owner, "web") == "clinic_owner"
    ask(cluster, "CREATE TABLE kept (a int)", "owner")
    ask(cluster, "SET ROLE clinic_web; SELECT 1", "owner")  # so that tests can speak as the web role
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(cluster, "CREATE TABLE no (a int)", "web")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(cluster, "SELECT * FROM kept", "web")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(cluster, "SET ROLE clinic_owner", "web")


def test_the_server_of_a_clone_that_was_deleted_does_not_take_the_next_ones_socket(project):
    old = localpg.ensure_running(project)
    first = postmaster(old)
    shutil.rmtree(old.home)
    new = localpg.ensure_running(project)
    assert new.answers() and not Path(f"/proc/{first}/cwd").exists()


def test_a_running_server_is_left_alone_and_outlives_the_process_that_started_it(project):
    ((out, err, code),) = in_another_process(project)
    assert code == 0, err
    cluster = localpg._existing(project)
    assert out.decode().strip() == cluster.url()
    first = postmaster(cluster)
    assert localpg.ensure_running(project) == cluster
    assert postmaster(cluster) == first


def test_eight_processes_starting_at_once_make_one_cluster(project):
    results = in_another_process(project, count=8)
    assert [code for _, _, code in results] == [0] * 8, [err for _, err, _ in results]
    assert len({out for out, _, _ in results}) == 1
    cluster = localpg._existing(project)
    postmaster(cluster)  # exactly one
    assert sorted(path.name for path in cluster.home.iterdir()) == ["data", "in-use", "lock", "socket"]
    assert cluster.log.read_text().count("ready to accept connections") == 1


def test_after_kill_9_it_starts_again_with_everything_committed(cluster):
    ask(cluster, "CREATE TABLE survives AS SELECT 7 AS a", "owner")
    killed = postmaster(cluster)
    os.kill(killed, signal.SIGKILL)
    again = localpg.ensure_running(cluster.home.parent)
    assert ask(again, "SELECT a FROM survives", "owner") == 7
    assert postmaster(again) != killed


def test_a_connection_that_outlives_its_killed_server_is_waited_for(cluster):
    held = psycopg2.connect(cluster.url("owner"))
    pid = held.info.backend_pid
    os.kill(pid, signal.SIGSTOP)  # it cannot notice that its server is gone
    os.kill(postmaster(cluster), signal.SIGKILL)
    threading.Timer(1.0, os.kill, [pid, signal.SIGCONT]).start()
    begun = time.monotonic()
    assert ask(localpg.ensure_running(cluster.home.parent), "SELECT 1") == 1
    assert time.monotonic() - begun >= 0.9  # not before the last process of the old server had gone
    held.close()


def test_a_server_that_does_not_answer_yet_is_waited_for(cluster):
    first = postmaster(cluster)
    os.kill(first, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, [first, signal.SIGCONT]).start()
    localpg.ensure_running(cluster.home.parent)
    assert postmaster(cluster) == first


def test_a_stale_pid_file_that_names_a_living_process_is_not_believed(cluster):
    localpg.stop(cluster.home.parent)
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        for path in (cluster.data / "postmaster.pid", cluster.socket_dir / f"{localpg.SOCKET_NAME}.lock"):
            path.write_text(f"{bystander.pid}\n{cluster.data}\n1700000000\n5432\n{cluster.socket_dir}\n\n 1 1\nready\n")
        assert "not running" in localpg.status(cluster.home.parent)
        assert "not running" in localpg.stop(cluster.home.parent)
        assert ask(localpg.ensure_running(cluster.home.parent), "SELECT 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_truncated_pid_file_is_no_obstacle(cluster):
    for content in ("", "12", "not a number\n"):
        localpg.stop(cluster.home.parent)
        (cluster.data / "postmaster.pid").write_text(content)
        (cluster.socket_dir / f"{localpg.SOCKET_NAME}.lock").write_text(content)
        assert ask(localpg.ensure_running(cluster.home.parent), "SELECT 1") == 1


def test_stop_ends_open_connections_keeps_the_data_and_can_be_repeated(project):
    assert "no embedded PostgreSQL yet" in localpg.status(project)
    assert "no embedded PostgreSQL yet" in localpg.stop(project)
    cluster = localpg.ensure_running(project)
    assert localpg.status(project).startswith("The embedded PostgreSQL 18.")
    ask(cluster, "CREATE TABLE kept AS SELECT 7 AS a", "owner")
    held = psycopg2.connect(cluster.url())
    assert "has stopped" in localpg.stop(project)
    assert cluster.processes() == []
    with pytest.raises(psycopg2.OperationalError):
        held.cursor().execute("SELECT 1")
    held.close()
    assert "not running" in localpg.stop(project)
    assert "not running" in localpg.status(project)
    assert ask(localpg.ensure_running(project), "SELECT a FROM kept", "owner") == 7


def test_a_long_path_moves_the_socket_to_a_short_closed_directory(project):
    deep = project / ("long-" * 12) / ("path-" * 12)
    deep.mkdir(parents=True)
    cluster = localpg.ensure_running(deep)
    assert len(os.fsencode(cluster.socket_dir)) < 80
    assert cluster.socket_dir.parent == Path("/tmp")
    assert stat.S_IMODE(cluster.socket_dir.stat().st_mode) == 0o700
    assert ask(cluster, "SELECT 1") == 1
    # Somebody else's directory of that name, or one that others may enter, is refused.
    localpg.stop(deep)
    cluster.socket_dir.chmod(0o755)
    with pytest.raises(localpg.LocalDatabaseError, match="closed to others"):
        localpg.ensure_running(deep)
    cluster.socket_dir.chmod(0o700)


def test_data_of_another_major_version_are_refused_with_what_to_do(cluster):
    localpg.stop(cluster.home.parent)
    version = cluster.data / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(localpg.LocalDatabaseError) as refused:
        localpg.ensure_running(cluster.home.parent)
    for words in ("made by PostgreSQL 17", "18.", "pg_dump", "delete", str(cluster.home)):
        assert words in str(refused.value)
    version.write_text("18\n")
    assert ask(localpg.ensure_running(cluster.home.parent), "SELECT 1") == 1


def test_a_server_whose_processes_cannot_be_seen_is_noticed_by_its_lock(cluster, monkeypatch):
    pid_file = (cluster.data / "postmaster.pid").read_text()
    with monkeypatch.context() as blind:  # as from another container that shares the directory
        blind.setattr(localpg.Cluster, "processes", lambda self: [])
        blind.setattr(localpg.Cluster, "answers", lambda self: False)
        with pytest.raises(localpg.LocalDatabaseError, match="in use"):
            localpg.ensure_running(cluster.home.parent)
    assert (cluster.data / "postmaster.pid").read_text() == pid_file
    assert ask(cluster, "SELECT 1") == 1


def test_a_refused_row_is_logged_without_its_values(cluster):
    ask(cluster, "CREATE TABLE IF NOT EXISTS kept (name text PRIMARY KEY)", role="owner")
    for name in ("Rosa Example", "Rosa Example"):
        with suppress(psycopg2.errors.UniqueViolation):
            ask(cluster, f"INSERT INTO kept VALUES ('{name}')", role="owner")
    log = cluster.log.read_text()
    assert "duplicate key value" in log and "Rosa" not in log


def test_a_server_that_cannot_start_says_what_its_log_says(cluster):
    localpg.stop(cluster.home.parent)
    config = cluster.data / "postgresql.conf"
    good = config.read_text()
    config.write_text(good + "no_such_setting = 1\n")
    with pytest.raises(localpg.LocalDatabaseError, match="no_such_setting"):
        localpg.ensure_running(cluster.home.parent)
    config.write_text(good)
    assert ask(localpg.ensure_running(cluster.home.parent), "SELECT 1") == 1


def test_the_server_runs_as_a_user_who_is_not_root_and_is_closed_to_everybody_else(project):
    cluster = localpg.ensure_running(project)
    pid = postmaster(cluster)
    assert os.stat(f"/proc/{pid}").st_uid == cluster.uid == cluster.data.stat().st_uid
    assert cluster.home.stat().st_mode & 0o077 == 0
    if not ROOT:
        assert cluster.uid == os.geteuid()
        return
    assert localpg._name_of(cluster.uid) == localpg.SYSTEM_USER
    stranger = localpg.pwd.getpwnam("nobody")
    trial = subprocess.run(
        [cluster.bin / "psql", "-h", cluster.socket_dir, "-U", "clinic_web", "-d", "clinic", "-c", "SELECT 1"],
        user=stranger.pw_uid,
        group=stranger.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
    )
    assert trial.returncode != 0
    assert "Permission denied" in trial.stderr


def test_a_directory_that_the_servers_user_cannot_enter_is_named(project):
    closed = project / "closed"
    inside = closed / "project"
    inside.mkdir(parents=True)
    closed.chmod(0o700)
    if ROOT:
        with pytest.raises(localpg.LocalDatabaseError) as refused:
            localpg.ensure_running(inside)
        assert f"cannot enter {closed}," in str(refused.value)
        assert localpg.SYSTEM_USER in str(refused.value)
        assert not (inside / ".localpg" / "data").exists()
    else:
        assert ask(localpg.ensure_running(inside), "SELECT 1") == 1


def test_a_system_user_that_cannot_be_made_is_said_plainly(project, monkeypatch):
    monkeypatch.setattr(localpg, "SYSTEM_USER", "clinic-no-such-user")
    monkeypatch.setattr(localpg.shutil, "which", lambda *args, **options: None)
    if ROOT:
        with pytest.raises(localpg.LocalDatabaseError, match="clinic-no-such-user could not be made .*DATABASE_URL"):
            localpg.ensure_running(project)
        assert not (project / ".localpg" / "data").exists()
    else:  # an ordinary user needs no other
        assert ask(localpg.ensure_running(project), "SELECT 1") == 1


def test_ensure_database_makes_it_once_and_refuses_odd_names(cluster):
    threads = [threading.Thread(target=localpg.ensure_database, args=(cluster, "clinic_other")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'clinic_other'"
    assert ask(cluster, owner, database="clinic_other") == "clinic_owner"
    for name in ("x; DROP DATABASE clinic", "Clinic", "a" * 64, ""):
        with pytest.raises(localpg.LocalDatabaseError, match="no name for a database"):
            localpg.ensure_database(cluster, name)


def test_the_command_starts_stops_and_tells(project, settings, capsys):
    settings.BASE_DIR = project
    call_command("localdb", "status")
    assert "no embedded PostgreSQL yet" in capsys.readouterr().out
    call_command("localdb", "start")
    assert "is running" in capsys.readouterr().out
    assert ask(localpg._existing(project), "SELECT 1") == 1
    call_command("localdb", "stop")
    assert "has stopped" in capsys.readouterr().out
    (project / ".localpg" / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(CommandError, match="made by PostgreSQL 17"):
        call_command("localdb", "start")
