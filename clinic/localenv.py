"""Writes a `.env` for development, once: ``python -m clinic.localenv``. Pure standard library.

The keys in it are random and its own. It is never overwritten: with other keys the sealed answers in the database of
this clone could not be read any more, and everybody would be signed out.
"""

import base64
import os
import secrets
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / ".env"

TEMPLATE = """\
# Settings for development on this machine, made by `make env`. Not for a real clinic: see docs/deploy.md.
DEBUG=true
SECRET_KEY={secret_key}
# The keys that wrap the keys of sealed answers, newest first. Without them the answers in the database are lost.
DATA_KEYS=dev1:{data_key}
ALLOWED_HOSTS=localhost,127.0.0.1,[::1]
PUBLIC_URL=http://localhost:{port}
# Messages are printed by the message worker.
EMAIL_URL=consolemail://
"""


def write(file: Path = FILE, port: str = "8000") -> bool:
    """Write ``file``, readable by its owner only. Returns False, and changes nothing, when it is there already."""
    text = TEMPLATE.format(
        secret_key=secrets.token_urlsafe(50),
        data_key=base64.b64encode(secrets.token_bytes(32)).decode(),
        port=port,
    )
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    return True


if __name__ == "__main__":
    if write(port=os.environ.get("PORT") or "8000"):
        print(f"Wrote {FILE} with keys of its own.")
