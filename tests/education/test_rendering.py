"""From Markdown to a page: what is put in, what is taken out, and what an editor is told."""

import re

import pytest
from django.conf import settings

from education import blocks, rendering


def html(body, **kw):
    return "".join(part.html or f"[{part.template}]" for part in rendering.render(body, **kw).parts)


def told(body, **kw):
    return [str(problem) for problem in rendering.problems(body, **kw)]


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert(1)</script>",
        "Hello <img src=x onerror=alert(1)>",
        "<svg onload=alert(1)></svg>",
        "[click](javascript:alert(1))",
        "[click](JaVaScRiPt:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        "<a href='https://x.example' onclick='x()' style='color:red'>a</a>",
        "![x](https://elsewhere.example/pixel.png)",
        '| a |\n|---|\n| <iframe src="//x"></iframe> |',
    ],
)
def test_nothing_dangerous_comes_through(body):
    out = html(body)
    for bad in ("<script", "<img", "<svg", "<iframe", 'href="javascript', 'href="data', "<a href='https://x"):
        assert bad not in out.lower()
    assert " onclick=" not in out.replace("&#x27;", "").split("&lt;")[0]


def test_cleaning_does_not_trust_the_markdown_parser():
    dirty = '<p onclick="x()">a<script>b</script><a href="javascript:x" style="color:red">c</a></p>'
    assert rendering.clean(dirty) == '<p>a<a rel="noopener noreferrer">c</a></p>'


def test_a_heading_keeps_its_fixed_id():
    page = rendering.render("## Keloid scars {#keloid}\n\nText.\n")
    assert '<h2 id="keloid">Keloid scars</h2>' in page.parts[0].html
    assert page.headings == [rendering.Heading(2, "keloid", "Keloid scars")]


def test_a_fixed_sentence_is_put_in():
    assert "Do not stop your medicine." in html("{{ block: medicine }}")


def test_a_live_block_becomes_a_part_of_its_own():
    parts = rendering.render("One.\n\n{{ block: who-should-wait }}\n\nTwo.\n").parts
    assert [part.template for part in parts] == ["", "education/blocks/who_should_wait.html", ""]


def test_a_drawing_is_put_in_with_its_alternative():
    out = html("{{ picture: skin }}")
    assert out.count("<svg") == 2
    assert 'role="img" aria-label="Skin cut through' in out


def test_sources_become_numbers_in_the_order_of_the_list():
    assert 'href="#source-2"' in html("A fact. {{ source: b }}", sources=["a", "b"])


def test_placeholders_inside_links_or_code_are_not_markup():
    assert "<svg" not in html('[x](https://a.example "{{ picture: skin }}")')


def test_plain_text_has_words_and_no_marks():
    text = rendering.render("## One {#one}\n\n- **two**\n- three {{ source: a }}\n", sources=["a"]).text
    assert text == "One\ntwo\nthree"


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("Hello\n\n{{ block: medicin }}\n", 3, "no block called “medicin”"),
        ("{{ picture: nope }}", 1, "no picture called “nope”"),
        ("## A {#a}\n\nText {{ source: x }}", 3, "no source called “x”"),
        ("{{ video: x }}", 1, "is not a block"),
        ("{{ block: medicine", 1, "is not a block"),
        ("Text {{ block: medicine }}", 1, "a line of its own"),
        ("## Title\n", 1, "no fixed id"),
        ("## Title {#Bad Id}\n", 1, "small letters"),
        ("## A {#a}\n\n## B {#a}\n", 3, "already used in line 1"),
        ("# Title {#t}\n", 1, "Begin with ##"),
        ("One\n\n[x](http://plain.example)", 3, "begins with https://"),
        ("[x](//elsewhere.example)", 1, "begins with https://"),
        ("![x](https://x.example/a.png)", 1, "from the library"),
        ("Kept.\n\n##### Rosacea {#rosacea}", 3, "Begin with ##, ### or ####"),
        ("### {#keloid}", 1, "Write words into this heading"),
        ("### &nbsp; {#keloid}", 1, "Write words into this heading"),
        ("## Main {#main}", 1, "the page itself uses the id “main”"),
        ("## Source {#source-1}", 1, "the page itself uses the id “source-1”"),
        ("One [](https://a.example).", 1, "Write words into this link"),
        ("One [&nbsp;](/contact/).", 1, "Write words into this link"),
        ("[here](/learn/nothing-here/)", 1, "There is no page /learn/nothing-here/ on this site"),
        ("[here](/lern/aftercare/)", 1, "There is no page /lern/aftercare/ on this site"),
        ("## A {#a}\n\n[here](#nothing) or [there](#a)", 3, "no heading {#nothing} on this page"),
        ("[x](#)", 1, "no heading {#} on this page"),
        ("One.\n\n[x](javascript:alert(1))", 3, "This link does not work"),
        ("One.\nTwo. [x](/learn/b c/)", 1, "This link does not work"),
        ("One.\n\nA saf\u00ade way", 3, "an invisible character in this line"),
        ("One.\n\nA saf&shy;e way", 3, "an invisible character in this line"),
        ("One \u202eowt", 1, "an invisible character in this line"),
        ("One\u200b", 1, "an invisible character in this line"),
    ],
)
def test_says_what_is_wrong_and_in_which_line(body, line, words):
    [problem] = told(body, pages_known={"aftercare"})
    assert problem.startswith(f"Line {line}, “{body.splitlines()[line - 1][:20].strip()}")
    assert words in problem


@pytest.mark.parametrize("level", ["#", "##", "####", "#####", "######"])
def test_a_heading_that_something_leads_to_has_to_show(level):
    body = f"{level} Rosacea {{#rosacea}}\n"
    problem = "The questions lead to #rosacea on this page: keep a heading with {#rosacea}."
    assert (problem in told(body, headings_needed={"rosacea"})) == ('id="rosacea"' not in html(body))


@pytest.mark.parametrize("body", ["Words.\n\n{{ block: sun }}", "    {{ block: sun }}", "Words.\n{{ block: sun }}"])
def test_a_block_that_a_page_needs_has_to_show(body):
    needed = {"sun", "medicine"}
    missing = [name for name in sorted(needed) if str(blocks.SENTENCES[name]) not in html(body)]
    assert missing
    for name, problem in zip(missing, told(body, blocks_needed=needed), strict=True):
        assert problem.startswith(f"Patients count on {{{{ block: {name} }}}}")


def test_says_nothing_about_a_good_text():
    body = (
        "## A {#a}\n\nText {{ source: x, y }}\n\n{{ block: sun }}\n\n{{ picture: mine }}\n\n[in](/learn/b/#c), "
        "[`up`](#a), [**all**](/learn/), [times](/book/?from=today), [down](#sources), [out](https://a.example)\n\n"
        "#### Café &amp; co. {#b}\n\n-\tA\u00a0tab; علی\u200cرضا &mdash; [not a link]\n"
    )
    assert told(body, sources=["x", "y"], pictures_known={"mine"}, pages_known={"b"}) == []


def test_no_heading_may_take_an_id_of_the_page_around_it():
    folder = settings.BASE_DIR / "templates"
    around = [folder / "base.html", folder / "includes/footer.html", *(folder / "education/blocks").glob("*.html")]
    around += [folder / "education" / name for name in ("article.html", "article_body.html", "next_step.html")]
    ids = {one for path in around for one in re.findall(r' id="(.*?)"', path.read_text())}
    assert {"main", "contents", "source-{{ forloop.counter }}"} <= ids
    for one in ids:
        assert "the page itself uses the id" in told(f"## A {{#{one.replace('{{ forloop.counter }}', '1')}}}\n")[0]


@pytest.mark.parametrize("body", ["", "\x00", "{{", "}}", "{#", "## {#}", "|", "```", "[](", "*" * 5000, "> " * 200])
def test_odd_text_never_fails(body):
    rendering.problems(body)
    rendering.render(body)


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_a_line_may_end_as_any_machine_ends_it(end):
    body = "Text.\n\n## A\n\n{{ block: nothing }}\n\n#### B {#b}\n"
    assert len(told(body)) > 1
    assert told(body.replace("\n", end)) == told(body)


def test_headings_and_bare_items_are_no_running_text():
    page = rendering.render(
        "## Does it hurt? {#pain}\n\nA *little*. It passes.\n\nBring:\n\n- a hat\n- water\n- Call us first.\n\n"
        "| When | What |\n|---|---|\n| Day 1 | Your skin is red. |\n\n{{ block: sun }}\n"
    )
    assert page.prose.split("\n") == ["A little. It passes.", "Call us first.", "Your skin is red.", str(blocks.SUN)]
    assert "Does it hurt?" in page.text
    assert "a hat" in page.text


def test_a_label_that_opens_a_paragraph_is_no_sentence_of_it():
    page = rendering.render(
        "**Do not.** Do not pick at it.\n\n- **Days 1 to 2.** It fades.\n\n**Call us.**\n\n"
        "**Tell us even if you think it does not matter.** We ask.\n"
    )
    assert page.prose.split("\n") == [
        "Do not pick at it.",
        "It fades.",
        "Call us.",
        "Tell us even if you think it does not matter. We ask.",
    ]
    assert "Days 1 to 2. It fades." in page.text
