"""Lists of the staff site: readable on a phone and a tablet, without Django's small signs and counts."""

import re
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import mark_safe

from tests import make

DJANGO = Path(django.__file__).parent / "contrib/admin/static/admin/css"
SHEETS = [DJANGO / f"{name}.css" for name in ("base", "changelists", "responsive")]
SHEETS += [settings.BASE_DIR / "static/css" / f"{name}.css" for name in ("foundation", "admin", "review")]


def read(client, role, name, *args, q=None) -> str:
    make.make_clinic()
    client.force_login(make.make_user(role))
    address = reverse(f"admin:{name}", args=args)
    return (client.get(address) if q is None else client.post(address, {"q": q})).content.decode()


def test_each_cell_of_a_list_knows_its_heading(client, db):
    make.make_patient(name="Ada Lovelace")
    html = read(client, "Front desk", "clinic_patient_changelist")
    assert re.findall(r'<t[hd] data-heading="([^"]+)" class', html) == [
        "Full name", "Born", "Phone", "Reference", "Signs in",
    ]  # fmt: skip
    assert re.findall(r'scope="col"', html)


def test_a_count_of_what_was_found_stands_there_after_a_search_only(client, db):
    make.make_patient(name="Ada Lovelace")
    make.make_patient(name="Grace Hopper")
    assert "Show all" not in read(client, "Front desk", "clinic_patient_changelist")
    html = read(client, "Front desk", "clinic_patient_changelist", q="Ada")
    assert "1 result" in html
    assert "Show all" in html


def test_forms_have_no_small_icons_that_open_others(client, db):
    practitioner = make.make_practitioner(make.make_treatment())
    html = read(client, "Manager", "clinic_practitioner_change", practitioner.pk)
    assert 'name="treatments"' in html
    assert "related-widget-wrapper-link" not in html


def test_a_list_says_yes_and_no_in_words_and_one_order(client, db):
    make.make_user("Front desk", is_active=False)
    html = read(client, "Manager", "clinic_user_changelist")
    assert set(re.findall(r'data-heading="Active" class="field-is_active">([^<]*)<', html)) == {"Yes", "No"}
    assert "icon-yes" not in html and html.count("sortoptions") == 1


def test_filters_and_counts_speak_plainly(client, db):
    make.make_treatment()
    html = read(client, "Manager", "clinic_treatment_changelist")
    assert not re.search(r"<summary>\s*By ", html)
    assert "1 in this list" in html


def test_an_empty_list_says_what_that_means(client, db):
    assert "Nobody waits for a call." in read(client, "Front desk", "clinic_callback_changelist")
    assert "Nothing found." in read(client, "Front desk", "clinic_patient_changelist", q="Ada")


def test_an_unknown_address_sends_staff_to_their_own_first_page(client, db):
    make.make_clinic()
    client.force_login(make.make_user("Front desk"))
    html = client.get("/admin/nothing-here/").content.decode()
    assert f'href="{reverse("admin:index")}"' in html
    assert "appointments are as they were" not in html


COLUMNS = {
    "Practitioner": "Dr Mira Lindqvist", "Day of the week": "Wednesday", "Hours": "09:00–17:30",
    "Break": "12:30–13:15", "Location": "Valletta, Harbour Rooms", "Valid": "25/06/2026 to 22/02/2027",
}  # fmt: skip
LIST = """<div id="content"><div id="content-main">
<ul class="object-tools"><li><a class="addlink" href="#">Add working hours</a></li></ul>
<div class="module filtered" id="changelist">
<div class="changelist-form-container"><form id="changelist-form">{}</form></div>
<nav id="changelist-filter"><h2>Filter</h2></nav></div></div></div>"""


@pytest.mark.parametrize("width", [390, 768, 1024])
def test_a_list_takes_the_width_there_is(browser, width):
    """The button for adding stands above the table, and no column hides behind its edge."""
    cells = [mark_safe(f'<td class="field-x nowrap">{words}</td>') for words in COLUMNS.values()]  # noqa: S308
    context = {"results": [cells], "result_headers": [{"text": text} for text in COLUMNS]}
    style = "".join(sheet.read_text() for sheet in SHEETS)
    view = '<meta name="viewport" content="width=device-width">'
    page = browser.new_page(viewport={"width": width, "height": 800})
    table = render_to_string("admin/change_list_results.html", context)
    page.set_content(f"<!doctype html><html>{view}<style>{style}</style>{LIST.format(table)}</html>")
    add, results, last = (
        page.locator(where).bounding_box() for where in (".object-tools a", ".results", "#result_list td:last-child")
    )
    page.close()
    assert add["x"] == pytest.approx(results["x"], abs=1)
    assert add["y"] + add["height"] <= results["y"]
    assert last["x"] + last["width"] <= results["x"] + results["width"]
