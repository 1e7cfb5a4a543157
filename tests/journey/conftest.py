"""The site in a real browser: headless Chromium against a live server that speaks as the web role."""

import io
import json
import re
import threading
from collections.abc import Callable
from datetime import date
from typing import ClassVar

import pytest
import time_machine
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page

from clinic.management.commands.demo import PASSWORD
from outbox.models import Message
from tests.journey.hands import Hand, Keyboard, Mouse
from tests.journey.states import House, Looker
from tests.journey.ways import lost_in_forced_colours, sideways
from tests.make import NOW

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Style sheets are of this site and can be read as they are: fetching them again takes a third of the time. The page in
# a frame is a document of its own, and looked at by itself.
AXE = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"], "preload": False, "iframes": False}


# What a page is made of, without its words: every kind of element with what it stands in, the headings in their order,
# and the attributes that axe asks for.
SHAPE = """() => {
  const own = ["role", "type", "aria-label", "aria-labelledby", "aria-describedby", "aria-invalid", "alt", "for"];
  const kind = (e) => e.localName + "." + e.className + own.map((name) => e.hasAttribute(name) ? name : "").join();
  const path = (e) => kind(e.parentElement) + ">" + kind(e);
  const all = [...document.body.querySelectorAll("*")].filter((e) => !e.closest("svg") || e.localName === "svg");
  return [...new Set(all.map(path))].sort().join("\\n") + [...all].filter((e) => /^h[1-6]$/.test(e.localName)).map(
    (e) => e.localName + e.id).join();
}"""


@pytest.fixture(scope="session")
def browser_context_args() -> dict:
    """A laptop in English. Nothing is cached between contexts."""
    return {"viewport": {"width": 1366, "height": 768}, "locale": "en-GB", "timezone_id": "Europe/London"}


def as_web_role(connection, **kwargs) -> None:
    """The live server's threads speak as the role that owns nothing; the test's own thread makes and empties tables."""
    if threading.current_thread() is not threading.main_thread():
        with connection.cursor() as cursor:
            cursor.execute("SET ROLE clinic_web")


@pytest.fixture(autouse=True)
def clock():
    """Monday 1 March 2027, 09:00 in London, before anything is made; the clock runs on from there and can be set."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


@pytest.fixture(scope="session")
def kept() -> dict[date, dict[str, bytes]]:
    """The rows of every table as the first story of a day found them: making the demonstration takes longer than a
    story. Some tests set the clock, and the demonstration is about today.
    """
    return {}


def rows_of_all_tables() -> dict[str, bytes]:
    """Every row of the demonstration, table by table, as PostgreSQL copies it."""
    rows = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True, include_views=False):
            cursor.copy_expert(f'COPY "{table}" TO STDOUT (FORMAT binary)', copy := io.BytesIO())
            rows[table] = copy.getvalue()
    return rows


def put_back(rows: dict[str, bytes]) -> None:
    """Writes the rows as they were. They have passed the rules of the database once and need not again."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE " + ", ".join(f'"{table}"' for table in rows))
        for table in rows:
            cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
        for table, copy in rows.items():
            cursor.copy_expert(f'COPY "{table}" FROM STDIN (FORMAT binary)', io.BytesIO(copy))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in rows:
            cursor.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
    ContentType.objects.clear_cache()


@pytest.fixture
def site(transactional_db, settings, live_server, kept) -> str:
    """The demonstration, small, on a live server. Returns its address."""
    connection_created.connect(as_web_role)
    settings.PUBLIC_URL = live_server.url
    settings.DEBUG = True  # the demonstration is only made, and signed in to without a second factor, in development
    today = timezone.localdate()
    if today in kept:
        put_back(kept[today])
    else:
        call_command("setup_clinic", verbosity=0)
        call_command("demo", patients=13, verbosity=0)
        kept[today] = rows_of_all_tables()
    yield live_server.url
    connection_created.disconnect(as_web_role)


class Eyes:
    """What every page is held against: no message of the browser, no request that leaves, nothing lost at 400 % or in
    forced colours, nothing for axe.
    """

    # The controls of pages that the keyboard has walked through from end to end.
    walked: ClassVar[set[str]] = set()
    # Shapes of pages in which axe has found nothing, and those that forced colours leave whole. Neither has anything to
    # add about the same page with other words.
    known: ClassVar[set[str]] = set()
    known_forced: ClassVar[set[str]] = set()

    def __init__(self, site: str) -> None:
        self.site = site
        self.by: type[Hand] = Mouse
        self.ways = True  # off where another walk of the same pages looks
        self.complaints: list[str] = []

    def watch(self, page: Page) -> Page:
        """Collects console errors (CSP among them), failing scripts and requests to other hosts."""
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self.inspect)
        return page

    def inspect(self, request) -> None:
        """A request that leaves the host."""
        if not request.url.startswith((self.site, "data:", "about:")):
            self.complaints.append(f"left the host: {request.url}")

    def no_complaints(self, *, expected: str = "") -> None:
        """Fails on whatever the browser said, but for messages that match `expected`."""
        told = [text for text in self.complaints if not (expected and re.search(expected, text))]
        assert not told, told

    def check(self, page: Page) -> None:
        """One main heading and a title; nothing is lost sideways, at 400 % or in forced colours, and axe finds nothing.
        With the keyboard, every stop of the page can be seen and left.
        """
        self.no_complaints(expected=r"status of (400|403|404|409|410|422|429)")
        page.wait_for_load_state()
        assert page.title().strip()
        assert page.locator("h1").count() == 1, page.url
        shape = f"{page.viewport_size['width']} px\n{page.evaluate(SHAPE)}"
        if self.ways:
            told = sideways(page)
            if shape not in self.known_forced:
                told += lost_in_forced_colours(page)
            assert not told, "\n".join([page.url, *told])
            self.known_forced.add(shape)
        # Axe is a script: it cannot run where scripts are off, and the same pages are seen with scripts on.
        scripts = not getattr(page, "scripts_are_off", False)
        if self.by is Keyboard:
            Keyboard(page).walk(but_not=self.walked)
        if scripts and self.ways and shape not in self.known:
            complaints = list(self.complaints)
            found = page.evaluate(f"axe.run({json.dumps(AXE)}).then((found) => found.violations)")
            self.complaints[:] = complaints  # axe injects styles itself, which the policy rightly reports
            assert not found, f"{page.url}\n{json.dumps(found, indent=1)}"
            self.known.add(shape)


@pytest.fixture
def eyes(site) -> Eyes:
    """One pair of eyes for a test."""
    return Eyes(site)


@pytest.fixture
def someone(browser, browser_context_args, eyes) -> Callable[..., Page]:
    """Opens a browser of their own for a person: `someone(width=360, scripts=False)`."""
    opened: list[BrowserContext] = []

    def open_browser(*, width: int = 1366, height: int = 768, scripts: bool = True, **more) -> Page:
        context = browser.new_context(
            **{**browser_context_args, "viewport": {"width": width, "height": height}},
            java_script_enabled=scripts,
            base_url=eyes.site,
            **more,
        )
        context.set_default_timeout(10_000)
        # With the page, not after it: then the browser knows the script again, and need not read it anew on every page.
        context.add_init_script(AXE_SCRIPT)
        opened.append(context)
        page = eyes.watch(context.new_page())
        page.scripts_are_off = not scripts
        return page

    yield open_browser
    for context in opened:
        context.close()


@pytest.fixture
def phone(someone) -> Page:
    """A patient with a small phone and JavaScript off."""
    return someone(width=360, height=740, scripts=False)


@pytest.fixture
def by_keyboard(eyes) -> type[Hand]:
    """A story that asks for this is walked by the keyboard alone; the mouse uses the same pages in all their states."""
    eyes.by = Keyboard
    return Keyboard


@pytest.fixture
def look(eyes) -> Looker:
    """See Looker. The fixture does not end it: a test that broke in between has told why already."""
    return Looker(eyes)


@pytest.fixture
def house(clock, site, settings) -> House:
    """See House. Pages of errors are those of a real clinic, not of a developer's machine."""
    settings.DEBUG = False
    return House(clock)


def sign_in(page: Page, short: str, hand: Hand | None = None) -> None:
    """A member of the invented staff signs in to the admin, with the mouse if nothing else is said."""
    hand = hand or Mouse(page)
    page.goto("/admin/")
    hand.write(page.locator("input[name=login]"), f"{short}@demo.example")
    hand.write(page.locator("input[name=password]"), PASSWORD)
    hand.press(page.get_by_role("button", name="Sign in"))
    page.wait_for_url(re.compile(r"/admin/[^?]*$"))


def last_message(to: str, kind: str) -> Message:
    """The newest message of a kind to somebody, as the worker would send it."""
    message = Message.objects.filter(to__iexact=to, kind=kind).order_by("-id").first()
    assert message is not None, f"no {kind} to {to}: {list(Message.objects.values_list('kind', 'to'))[-5:]}"
    return message


def code_sent_to(email: str) -> str:
    """The code in the newest message to an address."""
    words = re.findall(r"code: (\d{6})$", last_message(email, "code").text, re.M)
    assert words, last_message(email, "code").text
    return words[0]


def link_in(message: Message) -> str:
    """The path of the link in a message, as the patient clicks on it."""
    links = re.findall(r"https?://[^/\s]+(/appointments/link/\S+)", message.text)
    assert links, message.text
    return links[0]
