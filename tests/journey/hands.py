"""Two ways to use a page: a mouse, and a keyboard alone. A story is written once and walked with either.

Both have the same verbs: press (a link or button), write (into a field), choose (a box or one of several), select (from
a list) and tab_to nothing but by the keyboard. The keyboard reaches everything by Tab, Shift+Tab and arrow keys from
where the focus is, and at every stop on the way it must see where it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import ElementHandle, JSHandle, Locator, Page

from tests.journey.ways import IN_PAGE

STOP = "(measure, wanted) => measure.stop(wanted)"

# Whether a control opens another page: a link that leaves this one, or a button whose form the browser will send, but
# not into a frame.
LEADS = """(control) => {
  const link = control.closest("a[href]");
  const page = (address) => address.split("#")[0];
  if (link) return /^http/.test(link.protocol) && !(link.hash && page(link.href) === page(location.href));
  const button = control.closest("button, input");
  if (!button || !button.form || button.formTarget || !["submit", "image"].includes(button.type)) return false;
  return button.formNoValidate || button.form.noValidate || button.form.checkValidity();
}"""


@contextmanager
def leading(control: Locator) -> Iterator[None]:
    """What is done inside opens the page that a control leads to, and that page is there afterwards.

    Without it a slow machine is asked about the page before, which may say the wrong thing or, worse, the right one.
    """
    if not control.evaluate(LEADS):
        yield
        return
    with control.page.expect_event("domcontentloaded"):
        yield


class Mouse:
    """Points and clicks; a finger does the same."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, control: Locator) -> None:
        """Clicks on a link or a button."""
        with leading(control):
            control.click()

    def write(self, field: Locator, text: str) -> None:
        """Puts `text` in the place of what a field holds."""
        field.fill(text)

    def choose(self, box: Locator) -> None:
        """Ticks a box, or chooses one of several."""
        box.check()

    def select(self, menu: Locator, label: str) -> None:
        """Takes the option with these words from a list."""
        menu.select_option(label=label)


class Keyboard:
    """Tab, Shift+Tab, arrows, Enter, Space and letters; nothing else."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.emulate_media(reduced_motion="reduce")  # pages scroll at once: where the focus is can be measured at once

    def stop(self, measure: JSHandle, wanted: ElementHandle) -> dict:
        """What the focus rests on now; it must be seen there. `measure` is ways.js in the page."""
        found = measure.evaluate(STOP, wanted)
        if not found.get("nowhere"):
            assert found["shown"], f"{self.page.url}: the focus on {found['name']} cannot be seen"
            assert not found["hidden"], f"{self.page.url}: the focus on {found['name']} is {found['hidden']}"
        return found

    def moves_on(self, here: dict, passed: list[int]) -> bool:
        """Whether a stop is a new one; `passed` gets it. A date and a frame have several (see ways.js)."""
        place = here["place"]
        known = place in passed and not (passed[-1] == place and passed.count(place) < here["parts"])
        passed.append(place)
        return not known

    def walk(self, but_not: set[str] | None = None) -> int:
        """Tabs through the whole page and back to where the focus was; how many stops there are.

        Fails where the focus cannot be seen, when it is caught somewhere (a trap), and when there is something to use
        that it does not come to. A page with the same controls as one in `but_not` is passed over; this one is added.
        """
        page = self.page
        if but_not is not None:
            controls = page.evaluate(f"{IN_PAGE}.controls()")
            if controls in but_not:
                return 0
            but_not.add(controls)
        measure = page.evaluate_handle(IN_PAGE)
        held = page.evaluate_handle("document.activeElement").as_element()
        top = page.evaluate_handle("document.body").as_element()
        measure.evaluate("(measure, body) => measure.focus(body)", top)
        passed: list[int] = []
        while True:
            page.keyboard.press("Tab")
            here = self.stop(measure, top)
            # From the last stop the focus leaves the page, or comes round to the first stop at once.
            if here.get("nowhere") or (here["place"] in passed[:1] and len(set(passed)) > 1):
                break
            assert self.moves_on(here, passed), f"{page.url}: Tab is caught at {here['name']}"
        missed = measure.evaluate("(measure, passed) => measure.missed(passed)", passed)
        assert not missed, f"{page.url}: Tab does not come to {missed}"
        measure.evaluate("(measure, held) => measure.focus(held)", held)
        return len(passed)

    def tab_to(self, control: Locator) -> ElementHandle:
        """Moves the focus to a control, or to a radio of its group, by Tab or Shift+Tab.

        Fails when the keys do not lead there, and when the focus cannot be seen at any stop on the way.
        """
        control.wait_for()
        measure = self.page.evaluate_handle(IN_PAGE)
        wanted = control.element_handle()
        here = measure.evaluate(STOP, wanted)
        key = "Shift+Tab" if here.get("wantedIsBefore") else "Tab"
        passed: list[int] = []
        while not (here.get("there") or here.get("beside")):
            self.page.keyboard.press(key)
            here = self.stop(measure, wanted)
            assert not here.get("nowhere"), f"{self.page.url}: {key} does not lead to {control}"
            again = f"{self.page.url}: {key} does not lead to {control}, but to {here['name']} again"
            assert self.moves_on(here, passed), again
        self.stop(measure, wanted)
        return wanted

    def press(self, control: Locator) -> None:
        """Enter on a link, Space on whatever else can be pressed."""
        self.tab_to(control)
        with leading(control):
            self.page.keyboard.press("Enter" if control.evaluate("e => e.localName") == "a" else "Space")

    def write(self, field: Locator, text: str) -> None:
        """Writes over what a field holds; long texts are pasted."""
        self.tab_to(field)
        self.page.keyboard.press("Control+A")
        if len(text) > 100:
            self.page.keyboard.insert_text(text)
        elif text:
            self.page.keyboard.type(text)
        else:
            self.page.keyboard.press("Delete")
        assert field.input_value() == text

    def choose(self, box: Locator) -> None:
        """Space on a box; arrow keys within a group."""
        wanted = self.tab_to(box)
        apart = (
            wanted.evaluate(f"(wanted) => {IN_PAGE}.apart(wanted)") if wanted.evaluate("e => e.type === 'radio'") else 0
        )
        for _step in range(abs(apart)):
            self.page.keyboard.press("ArrowDown" if apart > 0 else "ArrowUp")
        there = self.stop(self.page.evaluate_handle(IN_PAGE), wanted)["there"]
        assert there, f"{self.page.url}: the arrow keys do not reach {box}"
        if not box.is_checked():
            self.page.keyboard.press("Space")
        assert box.is_checked()

    def select(self, menu: Locator, label: str) -> None:
        """Arrow keys down to the option with these words."""
        self.tab_to(menu)
        self.page.keyboard.press("Home")
        for _option in range(menu.locator("option").count()):
            if menu.evaluate("e => e.selectedOptions[0].label.trim()") == label:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{self.page.url}: {label} is not in {menu}")


Hand = Mouse | Keyboard
