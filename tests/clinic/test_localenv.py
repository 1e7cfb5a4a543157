"""The `.env` that `make env` writes for development."""

import base64
import stat

import environ

from clinic import localenv


def read(file):
    values = {}
    for line in file.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, values[name] = line.partition("=")
    return values


def test_it_holds_what_the_settings_need_with_keys_of_its_own(tmp_path):
    first, second = tmp_path / "one.env", tmp_path / "two.env"
    assert localenv.write(first, port="8123")
    assert localenv.write(second)
    values = read(first)
    assert values["DEBUG"] == "true"
    assert values["PUBLIC_URL"] == "http://localhost:8123"
    assert len(values["SECRET_KEY"]) >= 50
    name, _, key = values["DATA_KEYS"].partition(":")
    assert name == "dev1"
    assert len(base64.b64decode(key, validate=True)) == 32
    for secret in ("SECRET_KEY", "DATA_KEYS"):
        assert values[secret] != read(second)[secret]


def test_the_settings_reader_understands_it(tmp_path):
    file = tmp_path / ".env"
    localenv.write(file)

    class Reader(environ.Env):
        ENVIRON: dict[str, str] = {}  # not the environment of this process

    Reader.read_env(file)
    assert read(file) == Reader.ENVIRON


def test_only_its_owner_can_read_it(tmp_path):
    file = tmp_path / ".env"
    localenv.write(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_is_never_overwritten(tmp_path):
    file = tmp_path / ".env"
    file.write_text("SECRET_KEY=mine\n")
    assert not localenv.write(file)
    assert file.read_text() == "SECRET_KEY=mine\n"
