"""What other pages take from the education part: its drawings and its fixed sentences."""

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
