"""What the stories are held against sees what it is for: each page here has one fault, and the fault is told."""

import pytest
from playwright.sync_api import Page

from tests.journey.hands import Keyboard
from tests.journey.ways import lost_in_forced_colours, sideways

FOCUS = ":focus-visible { outline: 3px solid #1f2a2e; }"
SOUND = """
  <a href="#x">A link</a>
  <p><label>Name <input name="name"></label></p>
  <label><input type="radio" name="r" value="1"> one</label>
  <label><input type="radio" name="r" value="2"> two</label>
  <label><input type="radio" name="r" value="3"> three</label>
  <label>Kind <select name="kind"><option>letter</option><option>leaflet</option></select></label>
  <label><input type="checkbox" name="yes"> yes</label>
  <button id="go" type="button">Go</button>
"""


@pytest.fixture
def shown(browser):
    """A window of 800 pixels with the given page: `shown(body, style)`."""
    context = browser.new_context(viewport={"width": 800, "height": 600})

    def show(body: str, style: str = "") -> Page:
        page = context.new_page()
        page.set_content(
            f"<!doctype html><html><head><style>{FOCUS}{style}</style></head><body><h1>Page</h1>{body}</body></html>"
        )
        return page

    yield show
    context.close()


def test_a_sound_page_has_no_fault_and_is_left_as_it_was(shown):
    page = shown(SOUND)
    page.locator("#go").focus()
    assert sideways(page) == []
    assert lost_in_forced_colours(page) == []
    assert page.evaluate("document.activeElement.id") == "go"
    assert page.viewport_size == {"width": 800, "height": 600}
    assert not page.evaluate("matchMedia('(forced-colors: active)').matches")


@pytest.mark.parametrize(
    ("body", "style", "told"),
    [
        ('<div class="box">wide</div>', ".box { width: 400px }", "scrolls sideways by"),
        ('<div class="box">wide</div>', ".box { width: 400px } body { overflow-x: hidden }", "hides what leaves it"),
        ('<div class="box"><p>wide</p></div>', ".box { overflow: hidden } p { width: 600px }", "cuts off"),
        (
            '<div class="box" tabindex="-1"><p>wide</p></div>',
            ".box { overflow-x: auto } p { width: 600px }",
            "cannot be scrolled with the keyboard",
        ),
    ],
)
def test_what_leaves_the_page_sideways_is_told(shown, body, style, told):
    page = shown(body, style)
    found = sideways(page)
    assert any(told in text and text.endswith("(400 %)") for text in found), found


@pytest.mark.parametrize(
    ("body", "style", "told"),
    [
        ('<a class="btn" href="#x">Go</a>', ".btn { background: teal; color: white }", "has lost its edge"),
        ('<button class="btn">Go</button>', ".btn { background: teal; border: 0 }", "has lost its edge"),
        ("<input name=a>", "input { border: 0; background: #eee }", "has no edge"),
        (
            "<input type=checkbox>",
            "input { appearance: none; width: 9px; height: 9px; border: 0; background: #eee }",
            "has no edge",
        ),
        (
            '<p class="icon">Mind</p>',
            ".icon::before { content: ''; width: 9px; height: 9px; background: red; mask: url(x.svg) }",
            "has lost its icon ::before",
        ),
        ("<button>Go</button>", "button:focus-visible { outline: none }", "does not show the focus"),
        ("<button>Go</button>", "button:focus-visible { outline: 3px solid transparent }", ""),
        ("<button>Go</button>", "button:focus-visible { outline: 3px solid Canvas }", "does not show the focus"),
    ],
)
def test_what_forced_colours_take_away_is_told(shown, body, style, told):
    found = lost_in_forced_colours(shown(body, style))
    assert any(told in text for text in found) if told else not found, found


def test_the_keyboard_walks_a_sound_page(shown):
    page = shown(SOUND)
    lost_in_forced_colours(page)
    hand = Keyboard(page)
    assert hand.walk() == 6
    page.locator("#go").focus()
    assert hand.walk() == 6
    assert page.evaluate("document.activeElement.id") == "go"
    hand.choose(page.locator("[value='3']"))
    assert page.locator("[value='3']").is_checked()
    hand.choose(page.locator("[value='1']"))
    assert page.locator("[value='1']").is_checked()
    hand.choose(page.locator("[name=yes]"))
    hand.write(page.get_by_label("Name"), "Maya")
    hand.write(page.get_by_label("Name"), "Rita")
    hand.select(page.get_by_label("Kind"), "leaflet")
    assert page.get_by_label("Kind").input_value() == "leaflet"
    page.evaluate("document.getElementById('go').onclick = () => { document.title = 'gone' }")
    hand.press(page.locator("#go"))
    assert page.title() == "gone"


@pytest.mark.parametrize(
    ("body", "style", "script", "told"),
    [
        ("", "a:focus-visible { outline: none }", "", "cannot be seen"),
        ("", "a:focus-visible { outline: 1px solid black }", "", "cannot be seen"),
        ("", "a { position: absolute; top: -200px }", "", "outside the window"),
        ('<div class="bar">bar</div>', ".bar { position: fixed; inset: 0 }", "", "behind <div"),
        ("", "", "document.getElementById('go').tabIndex = -1", "does not (lead|come) to"),
        ("", "", "document.querySelector('select').onblur = (e) => e.target.focus()", "<select|does not come to"),
    ],
)
def test_the_keyboard_tells_what_stands_in_its_way(shown, body, style, script, told):
    page = shown(SOUND + body, style)
    page.evaluate(f"() => {{ {script} }}")
    with pytest.raises(AssertionError, match=told):
        Keyboard(page).press(page.locator("#go"))
    page.evaluate("document.activeElement.blur()")
    with pytest.raises(AssertionError, match=told):
        Keyboard(page).walk()
