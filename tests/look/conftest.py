"""What the tests of the frame share."""

import pytest


@pytest.fixture
def page(browser):
    """A fresh page. (The page of pytest-playwright asks for a base_url fixture that warns under pytest 9.)"""
    context = browser.new_context()
    yield context.new_page()
    context.close()
