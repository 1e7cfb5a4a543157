"""Sentences that are the same on every page, inserted by name: `{{ block: medicine }}`.

They live in code and not in articles because nobody may soften them in passing (HAZARDS H15, H16): a change is a change
of the software, reviewed as such. The sun line is the clinic's own, word for word (CLINICAL 3.6).
"""

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

MEDICINE = _(
    "Do not stop your medicine. Keep taking blood thinners and any other prescribed medicine, "
    "unless the person who prescribed it tells you to stop."
)
SUN = _(
    "Your skin is easier to harm by the sun after treatment. Stay out of strong sun and put sunscreen on again "
    "through the day."
)
DISCLAIMER = _("This is general information and does not replace advice from your clinician.")

# One sentence each, shown in a box with a word for its kind.
SENTENCES = {"medicine": MEDICINE, "sun": SUN, "disclaimer": DISCLAIMER}

# Rendered from a template of the same name in templates/education/blocks/, with the page's own context.
# `who-should-wait` is written from the active questionnaire's rules by a tag of `screening`;
# `when-to-call` holds the signs of CLINICAL 3.9 with the clinic's phone, out-of-hours and emergency words;
# `contact` only those.
TEMPLATES = {
    "who-should-wait": "education/blocks/who_should_wait.html",
    "when-to-call": "education/blocks/when_to_call.html",
    "contact": "education/blocks/contact.html",
}

LABELS = {"medicine": _("Your medicines"), "sun": _("Sun"), "disclaimer": _("Please note")}

NAMES = sorted([*SENTENCES, *TEMPLATES])

# By address: what a page is refused without. Patients are sent there for exactly this.
NEEDED = {
    "who-should-wait": {"who-should-wait", "medicine"},
    "preparing": {"medicine"},
    "aftercare": {"when-to-call", "medicine"},
    "risks-and-when-to-call": {"when-to-call", "medicine"},
}


def sentence_html(name: str) -> SafeString:
    """The notice around a fixed sentence: a word for its kind, an icon, a colour."""
    tone = {"medicine": "wait", "sun": "information", "disclaimer": "information"}[name]
    return format_html(
        '<div class="notice notice-{} fixed-sentence"><div><p><strong>{}.</strong> {}</p></div></div>',
        tone,
        LABELS[name],
        SENTENCES[name],
    )
