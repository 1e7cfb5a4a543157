"""What is left out of the logs, whoever writes it: the development server, Django, or a traceback."""

import logging
import re

# What opens an appointment or an account, as it stands in an address; and the words with which PostgreSQL repeats the
# values of a row that it refused.
SECRETS = [
    (re.compile(r"(/appointments/link/)[^/\s\"']+"), r"\1…"),
    (re.compile(r"(/accounts/password/reset/key/)[^/\s\"']+"), r"\1…"),
    (re.compile(r"(/accounts/confirm-email/)[^/\s\"']+"), r"\1…"),
    (re.compile(r"(\?|&)(q)=[^&\s\"']*"), r"\1\2=…"),
    (re.compile(r"^((?:DETAIL|CONTEXT):).*$", re.MULTILINE), r"\1 …"),
]


class NeutralLines(logging.Formatter):
    """A line, or a traceback, without what opens something and without values of rows."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for pattern, put in SECRETS:
            line = pattern.sub(put, line)
        return line
