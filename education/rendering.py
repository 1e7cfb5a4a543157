"""From an editor's Markdown to a page: Markdown, cleaned, then placeholders.

The order matters. Raw HTML is not Markdown here (`html` is off, so it shows as text), the result is cleaned with nh3
all the same, and only then are our own pieces put in: fixed sentences, drawings, numbers of sources. So nothing that an
editor types can look like one of our pieces, and our pieces need no exception in the cleaning.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from urllib.parse import unquote

import nh3
from django.urls import Resolver404, resolve
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator, slugify
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from markdown_it.token import Token

from clinic.visible import can_be_seen, lines_of
from education import blocks, pictures

PLACEHOLDER = re.compile(r"\{\{\s*(?P<kind>[a-z]+)\s*:\s*(?P<name>[a-z0-9, -]*?)\s*\}\}")
ALONE = rf"<p>\s*(?P<alone>{PLACEHOLDER.pattern})\s*</p>"  # in a paragraph of its own, where blocks are put in
ANY_BRACES = re.compile(r"\{\{.*?(?:\}\}|$)")
HEADING_ID = re.compile(r"\s*\{#(?P<id>[^}]*)\}\s*$")
HEADING = re.compile(r"<(h[2-4])\b.*?</\1>", re.DOTALL)
RUN_IN_LABEL = re.compile(r"(<(?:p|li)>\s*)<strong>(?:[^<.!?\s]+ ?){1,4}\.</strong>\s*(?=[^\s<])")
WHOLE = re.compile(r"[.!?][\"”’)]*$")  # a line that ends as a sentence does
GOOD_ID = re.compile(r"^[a-z][a-z0-9-]{0,79}$")
# Ids of the page around a body: a second of the same name would never be reached, or take the first one's place.
PAGES_OWN_ID = re.compile(
    r"^(main|contents|next|related|sources|source-\d+|wait-first|not-right-now|footer-place-\d+)$"
)
KEPT_ID = re.compile(r'<h[2-4] id="([^"]*)"')  # in cleaned HTML
GOOD_LINK = re.compile(r"^(https://|tel:\+?[0-9 ]+$|mailto:|/(?!/)|#)")

TAGS = {
    "h2",
    "h3",
    "h4",
    "p",
    "ul",
    "ol",
    "li",
    "strong",
    "em",
    "a",
    "br",
    "hr",
    "blockquote",
    "table",
    "thead",
    "tbody",
}
TAGS |= {"tr", "th", "td"}
ATTRIBUTES = {"a": {"href"}, "h2": {"id"}, "h3": {"id"}, "h4": {"id"}, "ol": {"start"}}


@dataclass(frozen=True)
class Problem:
    """Something an editor has to put right, with the line (from 1) it is on; 0 where no line is to blame. The first
    words of that line say where, because a text box numbers no lines."""

    line: int
    message: str
    begins: str = ""

    def __str__(self) -> str:
        return _("Line %(line)d, “%(begins)s”: %(message)s") % vars(self) if self.line else self.message


@dataclass(frozen=True)
class Heading:
    """A heading with its fixed id, for the contents."""

    level: int
    id: str
    text: str


@dataclass
class Part:
    """A stretch of finished HTML, or the template of a block that the page fills in."""

    html: SafeString = SafeString("")
    template: str = ""


@dataclass
class Page:
    """A rendered body: its parts in order, its headings, the same words as plain text, and those of its sentences."""

    parts: list[Part] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    text: str = ""
    prose: str = ""


def _markdown() -> MarkdownIt:
    # Quotes and apostrophes as in a printed book; nothing else is replaced.
    return MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": True}).enable(
        ["table", "smartquotes"]
    )


def with_line_ends(body: str) -> str:
    """The same lines, each ended by a newline alone, also where it was a carriage return: Markdown counts them so."""
    return re.sub(r"\r\n?", "\n", body)


def _prepare(body: str):
    """The tokens of a body, headings given their ids; and the headings."""
    tokens = _markdown().parse(with_line_ends(body).replace("\x00", ""))
    headings = []
    for index, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        inline = tokens[index + 1]
        last = inline.children[-1] if inline.children else None
        wanted = None
        if last is not None and last.type == "text" and (match := HEADING_ID.search(last.content)):
            wanted = match["id"]
            last.content = last.content[: match.start()]
        words = "".join(child.content for child in inline.children or [] if child.type in ("text", "code_inline"))
        identifier = wanted if wanted is not None else slugify(words)
        token.attrSet("id", identifier)
        headings.append((token, wanted, Heading(int(token.tag[1]), identifier, words.strip())))
    return tokens, headings


def _html(tokens) -> str:
    """The cleaned HTML of a body, its placeholders still in it."""
    return clean(_markdown().renderer.render(tokens, _markdown().options, {}))


def problems(
    body: str,
    *,
    sources: Sequence[str] = (),
    pictures_known: Collection[str] = (),
    headings_needed: Collection[str] = (),
    blocks_needed: Collection[str] = (),
    pages_known: Collection[str] | None = None,
) -> list[Problem]:
    """What stops a body from being saved: characters that nobody sees; unknown placeholders, sources or pictures;
    headings without words, of another level than 2 to 4, without an id or with one that is taken; links that have no
    words or lead nowhere. `sources` are the keys of the revision's sources; `pictures_known` the names of uploaded
    pictures; `headings_needed` ids that something else leads to; `blocks_needed` names of blocks that have to show;
    `pages_known` the addresses of articles that a link may lead to, None for any.
    """
    body = with_line_ends(body)
    lines = body.split("\n")
    known = {"block": set(blocks.NAMES), "picture": set(pictures.DRAWINGS) | set(pictures_known)}
    known["source"] = set(sources)
    tokens, headings = _prepare(body)
    html = _html(tokens)
    ids = set(KEPT_ID.findall(html))
    found = [
        *_unseen(body),
        *_placeholders(lines, known),
        *_headings(headings),
        *_missing(html, set(headings_needed) - ids, blocks_needed),
        *_links(tokens, ids, pages_known),
    ]
    found = [
        replace(one, begins=Truncator(lines[one.line - 1].strip()).chars(40)) if one.line else one for one in found
    ]
    return sorted(found, key=lambda problem: problem.line)


def _unseen(body: str) -> Iterator[Problem]:
    """Lines with a character that shows nothing, typed or as an entity (`&shy;`)."""
    for number, line in enumerate(lines_of(body), 1):
        if not can_be_seen(unescape(line)):
            yield Problem(number, _("There is an invisible character in this line. Please type it again."))


def _placeholders(lines: Sequence[str], known: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Double braces that put nothing in, or not where they stand. `known`: the names of each kind."""
    for number, line in enumerate(lines, 1):
        for match in ANY_BRACES.finditer(line):
            good = PLACEHOLDER.fullmatch(match[0])
            if not good or good["kind"] not in known:
                message = _("“%(text)s” is not a block, picture or source.") % {"text": match[0]}
                yield Problem(number, message)
                continue
            kind = good["kind"]
            names = [name.strip() for name in good["name"].split(",")] if kind == "source" else [good["name"]]
            for name in names:
                if name not in known[kind]:
                    message = _("There is no %(kind)s called “%(name)s”. Known: %(known)s.")
                    listing = ", ".join(sorted(known[kind])) or _("none")
                    yield Problem(number, message % {"kind": kind, "name": name, "known": listing})
            if kind in ("block", "picture") and line.strip() != match[0].strip():
                yield Problem(number, _("A block or picture stands on a line of its own."))


def _headings(headings: Sequence[tuple]) -> Iterator[Problem]:
    """Headings that would not show, or could not be led to."""
    seen: dict[str, int] = {}
    for token, wanted, heading in headings:
        number = token.map[0] + 1
        if heading.level == 1:
            yield Problem(number, _("The title is the only heading of level 1. Begin with ##."))
        elif heading.level > 4:
            yield Problem(number, _("This heading is too small to show. Begin with ##, ### or ####."))
        if not heading.text:
            yield Problem(number, _("Write words into this heading."))
        if wanted is None:
            yield Problem(number, _("This heading has no fixed id. Write it as “## Title {#fixed-id}”."))
        elif not GOOD_ID.match(wanted):
            yield Problem(number, _("An id is small letters, digits and hyphens, and begins with a letter."))
        elif PAGES_OWN_ID.match(wanted):
            yield Problem(number, _("Choose another id: the page itself uses the id “%(id)s”.") % {"id": wanted})
        if heading.id in seen:
            message = _("The id “%(id)s” is already used in line %(line)d.")
            yield Problem(number, message % {"id": heading.id, "line": seen[heading.id]})
        seen.setdefault(heading.id, number)


def _missing(html: str, ids: Collection[str], blocks_needed: Collection[str]) -> Iterator[Problem]:
    """The headings and blocks that others count on and that do not show."""
    for identifier in sorted(ids):
        message = _("The questions lead to #%(id)s on this page: keep a heading with {#%(id)s}.")
        yield Problem(0, message % {"id": identifier})
    shown = {match["name"] for match in re.finditer(ALONE, html) if match["kind"] == "block"}
    for name in sorted(set(blocks_needed) - shown):
        message = _(
            "Patients count on %(block)s on this page: keep it, on a line of its own, with empty lines around it."
        )
        yield Problem(0, message % {"block": f"{{{{ block: {name} }}}}"})


def _links(tokens: Sequence[Token], ids: Collection[str], pages_known: Collection[str] | None) -> Iterator[Problem]:
    """Links that cannot be read or followed, and pictures from elsewhere."""
    for token in tokens:
        number = (token.map or [0])[0] + 1
        children = token.children or []
        for place, child in enumerate(children):
            if child.type == "image":
                yield Problem(number, _("Choose a picture from the library: “{{ picture: name }}”."))
            elif child.type == "text" and "](" in child.content:  # what Markdown made no link of: an address it refuses
                message = _("This link does not work. Write it as [words](https://…) or [words](/learn/…/).")
                yield Problem(number, message)
            elif child.type == "link_open":
                inside = itertools.takewhile(lambda one: one.type != "link_close", children[place + 1 :])
                if not any(one.content.strip() for one in inside):
                    yield Problem(number, _("Write words into this link: [words](address)."))
                if message := _leads_nowhere(str(child.attrGet("href") or ""), ids, pages_known):
                    yield Problem(number, message)


def _leads_nowhere(address: str, ids: Collection[str], pages_known: Collection[str] | None) -> str:
    """What is wrong with where a link leads, or nothing. A page of ours has to exist; patients need not see it yet."""
    path, _hash, anchor = address.partition("#")
    if not GOOD_LINK.match(address):
        return _("A link begins with https:// or with / for a page of this site.")
    if not path and anchor not in ids and not PAGES_OWN_ID.match(anchor):
        return _("There is no heading {#%(id)s} on this page.") % {"id": anchor}
    if path.startswith("/"):
        try:
            match = resolve(unquote(path.partition("?")[0]))
        except Resolver404:
            match = None
        is_article = match is not None and match.view_name == "education:article"
        if match is None or (is_article and pages_known is not None and match.kwargs["slug"] not in pages_known):
            return _("There is no page %(address)s on this site.") % {"address": path}
    return ""


def clean(html: str) -> str:
    """HTML without anything but the plain elements of an article; no scripts, handlers, styles or odd links."""
    return nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, url_schemes={"https", "mailto", "tel"}, link_rel="noopener noreferrer"
    )


def render(body: str, *, sources: Sequence[str] = (), uploads: dict | None = None) -> Page:
    """The page of a body. `sources` are the keys in their order (their numbers); `uploads` maps names of uploaded
    pictures to objects with `html()`. An unknown name, which saving refuses, shows nothing here rather than failing.
    """
    tokens, headings = _prepare(body)
    html = _html(tokens)
    # Tables scroll by themselves on a phone, and can be reached by keyboard to do so.
    html = html.replace(
        "<table>", f'<div class="table-scroll" tabindex="0" role="region" aria-label="{_("Table")}"><table>'
    )
    html = html.replace("</table>", "</table></div>")
    page = Page(headings=[heading for _token, _wanted, heading in headings])
    words: list[str] = []
    position = 0

    def add(piece: str) -> None:
        if page.parts and not page.parts[-1].template:
            page.parts[-1].html = mark_safe(page.parts[-1].html + piece)  # noqa: S308 cleaned or ours
        else:
            page.parts.append(Part(html=mark_safe(piece)))  # noqa: S308 cleaned or ours

    for match in re.finditer(rf"{ALONE}|\s*(?:{_SOURCE})", html):
        add(html[position : match.start()])
        words.append(html[position : match.start()])
        position = match.end()
        if match["alone"] is None:
            add(_citations(match["names"], sources))
            continue
        kind, name = match["kind"], match["name"]
        if kind == "block" and name in blocks.SENTENCES:
            add(blocks.sentence_html(name))
            words.append(f"<p>{blocks.SENTENCES[name]}</p>")
        elif kind == "block" and name in blocks.TEMPLATES:
            page.parts.append(Part(template=blocks.TEMPLATES[name]))
        elif kind == "picture" and name in pictures.DRAWINGS:
            add(format_html('<figure class="picture picture-{}">{}</figure>', name, pictures.drawing_html(name)))
        elif kind == "picture" and uploads and name in uploads:
            add(uploads[name].html())
        elif kind == "source":
            add(f"<p>{_citations(name, sources)}</p>")
    add(html[position:])
    words.append(html[position:])
    page.text = plain(" ".join(words))
    page.prose = _sentences(" ".join(words))
    return page


_SOURCE = r"\{\{\s*source\s*:\s*(?P<names>[a-z0-9, -]+?)\s*\}\}"


def _citations(names: str, sources: Sequence[str]) -> str:
    """Small numbers that lead to the sources below the text."""
    numbers = [sources.index(name.strip()) + 1 for name in names.split(",") if name.strip() in sources]
    if not numbers:
        return ""
    links = ", ".join(
        format_html('<a href="#source-{}" aria-label="{}">{}</a>', n, _("source %(n)d") % {"n": n}, n) for n in numbers
    )
    # A word joiner: the number stays with the word before it, and never begins a line alone.
    return f'\u2060<sup class="cite">[{links}]</sup>'


def plain(html: str) -> str:
    """The words of HTML, one block a line."""
    html = re.sub(r"</(p|li|h2|h3|h4|td|th|tr|blockquote)>|<br\s*/?>", "\n", html)
    lines = [" ".join(unescape(strip_tags(line)).split()) for line in html.split("\n")]
    return "\n".join(line for line in lines if line)


def _sentences(html: str) -> str:
    """The running text of HTML, one block a line: no headings, no labels that open a paragraph or an item in bold
    ("Do not."), and no items or cells that are less than a sentence."""
    lines = plain(RUN_IN_LABEL.sub(r"\1", HEADING.sub("\n", html))).split("\n")
    return "\n".join(line for line in lines if WHOLE.search(line))
