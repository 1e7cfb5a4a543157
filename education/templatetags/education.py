"""What other pages take from the education part: its drawings and its fixed sentences."""

from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.safestring import SafeString

from education import blocks, pictures

register = template.Library()


@register.simple_tag
def drawing(name: str) -> SafeString:
    """`{% drawing "skin" %}`: one of our own drawings, inline, with its text alternative. Unknown names raise."""
    return pictures.drawing_html(name)


@register.simple_tag
def fixed_sentence(name: str) -> SafeString:
    """`{% fixed_sentence "medicine" %}`: a fixed sentence in its notice. Unknown names raise."""
    return blocks.sentence_html(name)


@register.filter
def by_advice(rules: Iterable[Any], effect: str) -> list[tuple[str, list[Any]]]:
    """`{% for advice, group in rules|by_advice:"defer" %}`: the rules of that effect, those with the same advice
    together under it. The largest group comes first, the others in the order of the questions; no rule is lost.
    """
    groups: dict[str, list[Any]] = {}
    for rule in rules:
        if rule.effect == effect:
            groups.setdefault(rule.advice, []).append(rule)
    return sorted(groups.items(), key=lambda group: -len(group[1]) if len(group[1]) > 2 else 0)


@register.simple_tag
def by_theme(rules: Iterable[Any], effect: str, themes: dict[str, str] | str) -> list[tuple[str, list[Any]]]:
    """`{% by_theme rules "defer" themes as groups %}`: the rules of that effect under the heading of the page that
    explains them (`themes`: paragraph to heading), in the order of the page; those it does not explain come last,
    under no heading; no rule is lost.
    """
    themes = themes if isinstance(themes, dict) else {}  # nothing is known of the page: an empty string
    groups: dict[str, list[Any]] = {theme: [] for theme in [*themes.values(), ""]}
    for rule in rules:
        if rule.effect == effect:
            page, _hash, paragraph = rule.anchor.partition("#")
            groups[themes.get(paragraph, "") if page == "who-should-wait" else ""].append(rule)
    return [(theme, group) for theme, group in groups.items() if group]
