"""The files of the front end: unchanged since they were vendored, complete, from this host, in our colours."""

import colorsys
import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command

STATIC = Path(settings.BASE_DIR) / "static"
VENDOR = STATIC / "vendor"
STYLE_SHEETS = sorted(STATIC.rglob("*.css"))
OURS = [path for path in STYLE_SHEETS if VENDOR not in path.parents]
# Bootstrap paints some marks with data: pictures; our pages never show them (clinic.css draws its own).
URL = re.compile(r"""url\(\s*["']?(?!data:)([^"')]+)""")


def sums() -> dict[str, str]:
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    return {name.removeprefix("./"): digest for digest, name in (line.split(None, 1) for line in lines)}


def test_vendored_files_are_what_they_were():
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name not in {"SHA256SUMS", "README.md"}
    }
    assert found == sums()


def test_every_vendored_folder_has_its_licence_and_a_line_in_the_readme():
    readme = (VENDOR / "README.md").read_text()
    for folder in VENDOR.iterdir():
        if folder.is_dir():
            assert (folder / "LICENSE").is_file(), folder
            assert f"`{folder.name}`" in readme


@pytest.mark.parametrize("path", STYLE_SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_leads_only_to_files_that_are_here(path):
    text = path.read_text()
    assert "@import" not in text
    assert "sourceMappingURL" not in text
    for target in URL.findall(text):
        assert not target.startswith(("http:", "https:", "//")), target
        assert (path.parent / target).resolve().is_file(), f"{path.name} wants {target}"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_our_style_sheets_need_no_weaker_policy(path):
    assert not re.search(r"url\(\s*[\"']?data:", path.read_text())


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_style_sheet_of_ours_holds_a_green(path):
    for text in re.findall(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b", path.read_text()):
        red, green, blue = (
            int(pair, 16) / 255 for pair in re.findall("..", text if len(text) == 6 else "".join(c * 2 for c in text))
        )
        hue, _lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
        assert not (75 / 360 < hue < 165 / 360 and saturation > 0.12), f"#{text} is a green"


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("ink", "page", 7), ("ink", "card", 7), ("ink", "band", 7),
        ("ink-soft", "page", 4.5), ("ink-soft", "band", 4.5),
        ("teal", "page", 4.5), ("teal", "band", 4.5), ("card", "teal", 4.5), ("card", "teal-dark", 4.5),
        ("terracotta", "page", 4.5), ("wait", "wait-ground", 4.5), ("information", "information-ground", 4.5),
        ("stop", "stop-ground", 4.5), ("stop", "card", 4.5), ("field-line", "card", 3), ("field-line", "page", 3),
        ("ink", "focus", 3),
    ],
)  # fmt: skip
def test_words_can_be_read_on_their_ground(ink, ground, least):
    tokens = dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6})", (STATIC / "css/foundation.css").read_text()))
    lighter, darker = sorted((luminance(tokens[ink]), luminance(tokens[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= least


def test_files_can_be_collected_under_hashed_names(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    collected = next((tmp_path / "css").glob("clinic.*.css")).read_text()
    assert "../icons/stop.svg" not in collected
    assert re.search(r"\.\./icons/stop\.[0-9a-f]{12}\.svg", collected)


def test_the_font_of_the_text_is_found():
    assert finders.find("vendor/atkinson-hyperlegible-next-5.3.0/atkinson-hyperlegible-next-latin-wght-normal.woff2")
