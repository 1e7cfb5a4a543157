"""Chromium of the system, or Playwright's own where there is none."""

import shutil

import pytest


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """Quiet, and without asking anything of the network."""
    arguments = [
        "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ]  # fmt: skip
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return browser_type_launch_args | {"args": arguments} | ({"executable_path": found} if found else {})


@pytest.fixture
def page(browser):
    """A fresh page. (The page of pytest-playwright asks for a base_url fixture that warns under pytest 9.)"""
    context = browser.new_context()
    yield context.new_page()
    context.close()
