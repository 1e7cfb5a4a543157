"""What other apps' pages may show of the live rules: who usually has to wait."""

from django import template

from screening.models import Questionnaire
from screening.questionnaires import Rule
from screening.results import waits_by_step

register = template.Library()


@register.simple_tag
def public_rules() -> list[Rule]:
    """`{% load who_should_wait %}{% public_rules as rules %}`: the public rules that mean waiting or another choice, of
    every active screening questionnaire, each title once, in the order of the questions. Five queries a questionnaire.

    Each has title, reason, advice and anchor ("who-should-wait#keloid": page and paragraph).
    """
    found: dict[str, Rule] = {}
    active = Questionnaire.objects.active().filter(purpose=Questionnaire.Purpose.SCREENING).order_by("name")
    for questionnaire in active:
        for group in waits_by_step(questionnaire.definition()).values():
            for rule in group:
                found.setdefault(rule.title, rule)
    return list(found.values())
