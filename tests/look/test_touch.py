"""What is pressed with a finger at the desk is large enough for one, also on a wide tablet."""

import pytest
from django.conf import settings

SHEETS = ["foundation.css", "desk.css", "admin.css"]
PRESSED = """
<p class="verbs"><a class="verb" href="#">Day before</a> <button class="verb verb-first">Show times</button></p>
<article class="visit"><div class="verbs"><a class="verb verb-quiet" href="#">Move</a></div></article>
<ul class="todo"><li><button class="verb">I have rung</button></li></ul>
<ul class="desk-places"><li><a href="#">Valletta</a></li></ul>
<span class="desk-links"><a href="#">By room</a></span>
<p><a class="step-link" href="#">Somebody else</a></p>
<label class="time-choice"><input type="radio"> 10:00</label>
"""


@pytest.mark.parametrize("width", [360, 1024])
def test_what_is_pressed_at_the_desk_is_44_pixels_high(browser, width):
    context = browser.new_context(viewport={"width": width, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    style = "".join((settings.BASE_DIR / "static/css" / sheet).read_text() for sheet in SHEETS)
    view = '<meta name="viewport" content="width=device-width">'
    page.set_content(f"<!doctype html><html>{view}<style>{style}</style>{PRESSED}</html>")
    heights = page.evaluate(
        "[...document.querySelectorAll('a, button, label')].map(e => [e.innerText, e.getBoundingClientRect().height])"
    )
    context.close()
    assert len(heights) == 8
    assert not [found for found in heights if found[1] < 44]
