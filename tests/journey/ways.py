"""Other ways to look at a page than the usual one: four times as large, and in the system's own few colours.

Each function leaves the page as it found it, needs no script of the page's own, and gives back what is wrong in words.
"""

from pathlib import Path

from playwright.sync_api import Page

# What is measured inside the page; an expression whose value has one function for each question.
IN_PAGE = Path(__file__).with_suffix(".js").read_text().strip()

# 1280 pixels at 400 % (WCAG 1.4.10).
NARROW = {"width": 320, "height": 640}


def sideways(page: Page) -> list[str]:
    """What does not fit: at the present width, and on 1280 pixels at 400 %."""
    present = page.viewport_size
    told = [f"{text} ({present['width']} px)" for text in page.evaluate(f"{IN_PAGE}.sideways()")]
    page.set_viewport_size(NARROW)
    told += [f"{text} (400 %)" for text in page.evaluate(f"{IN_PAGE}.sideways()")]
    page.set_viewport_size(present)
    return told


def lost_in_forced_colours(page: Page) -> list[str]:
    """Edges of buttons and fields, icons and the mark of the focus that a user of forced colours would not see."""
    before = page.evaluate(f"{IN_PAGE}.before()")
    page.emulate_media(forced_colors="active")
    told = page.evaluate(f"(before) => {IN_PAGE}.after(before)", before)
    page.emulate_media(forced_colors="none")
    return [f"{text} (forced colours)" for text in told]
