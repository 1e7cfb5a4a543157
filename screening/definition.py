"""Questionnaires as files and as plain data.

`load` reads a definition (YAML) into the dataclasses of `screening.questionnaires`, collecting every error with its
file and line; `from_dict` reads such plain data as `dataclasses.asdict` makes of them; `save_draft` writes them as rows
of the database and `from_rows` reads these. `screening/definitions/*.yaml` are the shipped ones: drafts, until people
publish them.

A definition is a mapping of name, version, title, purpose, device_label, sections and rules. For the author's
convenience, and unlike the dataclasses:

* questions are listed under their section; follow-ups under `follow_ups` of their parent, with `when: [codes]`
  (without `when`, asked whenever the parent is answered);
* choices are a mapping of code to label;
* a rule may stand under the question it is about, and then takes that question's rationale, source, anchor and title
  unless it has its own; its `when` may be just a list of that question's codes;
* rules about several items stand under `rules` at the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from screening.questionnaires import Choice, Question, Questionnaire, Rule, Section
from screening.self_check import find_faults

if TYPE_CHECKING:
    from screening import models

DEFINITIONS = Path(__file__).resolve().parent / "definitions"
MAX_BYTES = 2_000_000

_TOP = {"name", "version", "title", "purpose", "device_label", "sections", "rules"}
_SECTION = {"code", "title", "intro", "questions"}
_QUESTION = {
    "link_id",
    "text",
    "hint",
    "kind",
    "choices",
    "required",
    "no_finding",
    "exclusive",
    "tense",
    "reaches_back",
    "minimum",
    "maximum",
    "unit",
    "urgent",
    "urgent_codes",
    "follow_ups",
    "rules",
    "name",
    "rationale",
    "source",
    "anchor",
}
_RULE = {
    "id",
    "when",
    "effect",
    "override",
    "override_condition",
    "needs",
    "wait",
    "ask_again",
    "title",
    "reason",
    "advice",
    "rationale",
    "source",
    "anchor",
    "public",
}
# What the columns of the database hold; longer is an error with a line instead of an error of the database.
_LONGEST = {"link_id": 80, "id": 80, "code": 50, "title": 200, "text": 500, "name": 200, "anchor": 200}
_LONGEST |= {"device_label": 200, "kind": 20, "effect": 20}
_LONGEST_NAME, _LONGEST_LABEL = 50, 300


class DefinitionError(Exception):
    """A definition cannot be used. `errors` lists all that was found, each with its file and line where known."""

    def __init__(self, errors: list[str]):
        super().__init__("\n".join(errors))
        self.errors = errors


def load(path: str | Path) -> Questionnaire:
    """The questionnaire in the definition file at `path`. Raises DefinitionError, with every error and its line; a file
    that cannot be read is one of these errors."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DefinitionError([f"{path}: too large for a definition"])
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise DefinitionError([f"{path}: cannot be read: {error}"]) from error
    return parse(text, where=str(path))


def parse(text: str, *, where: str = "definition") -> Questionnaire:
    """The questionnaire in a definition's text; `where` names it in errors. Raises DefinitionError."""
    return _Reader(where).questionnaire(text)


class _Reader:
    """Reads one definition, collecting errors instead of stopping at the first."""

    def __init__(self, where: str):
        self.where = where
        self.errors: list[tuple[int, str]] = []
        self.lines: dict[tuple[str, str], int] = {}
        self.questions: list[Question] = []
        self.rules: list[Rule] = []

    def error(self, line: int, what: str) -> None:
        self.errors.append((line, what))

    def questionnaire(self, text: str) -> Questionnaire:
        try:
            tree = YAML(typ="rt").load(text)
        except MarkedYAMLError as error:
            line = (
                (error.problem_mark or error.context_mark).line + 1 if error.problem_mark or error.context_mark else 1
            )
            raise DefinitionError([f"{self.where}: line {line}: {error.problem or error.context}"]) from error
        except (YAMLError, ValueError, RecursionError) as error:
            raise DefinitionError([f"{self.where}: not YAML: {error}"]) from error
        if not isinstance(tree, CommentedMap):
            raise DefinitionError([f"{self.where}: line 1: a definition is a mapping with name, version, sections ..."])
        self.keys(tree, _TOP, "the definition")
        name = self.text(tree, "name", "the definition", required=True)
        if len(name) > _LONGEST_NAME:
            self.error(self.line(tree, "name"), f"the definition: name is longer than {_LONGEST_NAME} characters")
        title = self.text(tree, "title", "the definition", required=True)
        version = tree.get("version")
        if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 100_000:
            self.error(self.line(tree, "version"), "the definition: version is a whole number above 0")
            version = 1
        purpose = self.text(tree, "purpose", "the definition") or "screening"
        if purpose not in ("screening", "recheck"):
            self.error(self.line(tree, "purpose"), f"the definition: unknown purpose {purpose}")
        sections = [
            section for node in self.items(tree, "sections", "the definition") if (section := self.section(node, tree))
        ]
        for node in self.items(tree, "rules", "the definition"):
            self.rule(node, None, tree)
        questionnaire = Questionnaire(
            name=name,
            version=version,
            title=title,
            sections=tuple(sections),
            questions=tuple(self.questions),
            rules=tuple(self.rules),
            device_label=self.text(tree, "device_label", "the definition"),
            purpose=purpose,
        )
        if not self.errors:
            for fault in find_faults(questionnaire):
                self.error(self.lines.get((fault.where, fault.name), 1), fault.text)
        if self.errors:
            raise DefinitionError([f"{self.where}: line {line}: {what}" for line, what in sorted(self.errors)])
        return questionnaire

    # what stands where

    def section(self, node: Any, parent: Any) -> Section | None:
        if not self.mapping(node, "a section", parent):
            return None
        code = self.text(node, "code", "a section", required=True)
        about = f"section {code}"
        self.lines.setdefault(("section", code), self.line(node))
        self.keys(node, _SECTION, about)
        for question in self.items(node, "questions", about):
            self.question(question, code, None, node)
        return Section(code, self.text(node, "title", about, required=True), self.text(node, "intro", about))

    def question(self, node: Any, section: str, parent: str | None, within: Any) -> None:
        if not self.mapping(node, "a question", within):
            return
        link_id = self.text(node, "link_id", "a question", required=True)
        about = f"question {link_id}"
        self.lines.setdefault(("question", link_id), self.line(node))
        self.keys(node, _QUESTION | ({"when"} if parent else set()), about)
        if parent is not None and "when" in node and not node["when"]:
            self.error(self.line(node, "when"), f"{about}: when is a list of answers of {parent}")
        self.questions.append(
            Question(
                link_id=link_id,
                section=section,
                text=self.text(node, "text", about, required=True),
                kind=self.text(node, "kind", about, required=True),
                hint=self.text(node, "hint", about),
                choices=self.choices(node, about),
                required=self.flag(node, "required", about, True),
                parent=parent or "",
                parent_codes=self.codes(node, "when", about),
                no_finding=self.codes(node, "no_finding", about),
                exclusive=self.codes(node, "exclusive", about),
                tense=self.text(node, "tense", about) or "past",
                reaches_back=self.data(node, "reaches_back", about),
                minimum=self.number(node, "minimum", about),
                maximum=self.number(node, "maximum", about),
                unit=self.text(node, "unit", about),
                urgent=self.text(node, "urgent", about),
                urgent_codes=self.codes(node, "urgent_codes", about),
            )
        )
        for follow_up in self.items(node, "follow_ups", about):
            self.question(follow_up, section, link_id, node)
        for rule in self.items(node, "rules", about):
            self.rule(rule, node, node)

    def choices(self, node: CommentedMap, about: str) -> tuple[Choice, ...]:
        value = node.get("choices")
        if value is None:
            return ()
        if not isinstance(value, CommentedMap) or not value:
            self.error(self.line(node, "choices"), f"{about}: choices is a mapping of code to label")
            return ()
        found = []
        for code, label in value.items():
            if not isinstance(code, str) or not isinstance(label, str) or not label.strip():
                self.error(
                    self.line(value, code), f"{about}: answer {code}: code and label are texts (quote yes and no)"
                )
            elif len(code) > _LONGEST["link_id"] or len(label) > _LONGEST_LABEL:
                self.error(self.line(value, code), f"{about}: answer {code:.80}: code or label is too long")
            else:
                found.append(Choice(code, label.strip()))
        return tuple(found)

    def rule(self, node: Any, question: CommentedMap | None, within: Any) -> None:
        if not self.mapping(node, "a rule", within):
            return
        code = self.text(node, "id", "a rule", required=True)
        about = f"rule {code}"
        self.lines.setdefault(("rule", code), self.line(node))
        self.keys(node, _RULE, about)
        when = node.get("when")
        if isinstance(when, CommentedSeq) and question is not None:
            when = {"answer": question.get("link_id"), "is": list(when)}
        elif when is None or not isinstance(when, CommentedMap):
            self.error(self.line(node, "when"), f"{about}: when is a condition")
            when = {}
        override = node.get("override")
        if override is not None and not isinstance(override, str):
            self.error(self.line(node, "override"), f"{about}: override is O0, O1 or O2")
            override = None

        def words(key: str, of_question: str = "") -> str:
            own = self.text(node, key, about)
            return own or (self.text(question, of_question or key, about) if question is not None else "")

        self.rules.append(
            Rule(
                id=code,
                when=_plain(when),
                effect=self.text(node, "effect", about, required=True),
                override=override,
                needs=self.codes(node, "needs", about),
                wait=self.data(node, "wait", about),
                ask_again=self.data(node, "ask_again", about),
                title=words("title", "name"),
                reason=words("reason"),
                advice=words("advice"),
                rationale=words("rationale"),
                source=words("source"),
                override_condition=words("override_condition"),
                anchor=words("anchor"),
                public=self.flag(node, "public", about, False),
            )
        )

    # one value

    def line(self, node: Any, key: Any = None) -> int:
        place = getattr(node, "lc", None)
        if place is None:
            return 1
        try:
            return (place.line if key is None else place.key(key)[0]) + 1
        except (KeyError, TypeError, AttributeError):
            return (place.line or 0) + 1

    def keys(self, node: CommentedMap, allowed: set[str], about: str) -> None:
        for key in node:
            if key not in allowed:
                self.error(self.line(node, key), f"{about}: unknown key {key}")

    def mapping(self, node: Any, about: str, within: Any) -> bool:
        if isinstance(node, CommentedMap):
            return True
        self.error(self.line(node if hasattr(node, "lc") else within), f"{about} is a mapping, not {node!r:.60}")
        return False

    def items(self, node: CommentedMap, key: str, about: str) -> list[Any]:
        value = node.get(key)
        if value is None:
            return []
        if not isinstance(value, CommentedSeq):
            self.error(self.line(node, key), f"{about}: {key} is a list")
            return []
        return list(value)

    def text(self, node: CommentedMap, key: str, about: str, *, required: bool = False) -> str:
        value = node.get(key)
        if value is None:
            if required:
                self.error(self.line(node), f"{about}: {key} is missing")
            return ""
        if not isinstance(value, str):
            self.error(self.line(node, key), f"{about}: {key} is a text, not {value!r:.60}")
            return ""
        if required and not value.strip():
            self.error(self.line(node, key), f"{about}: {key} is empty")
        if len(value) > _LONGEST.get(key, 5000):
            self.error(self.line(node, key), f"{about}: {key} is longer than {_LONGEST.get(key, 5000)} characters")
        return " ".join(str(value).split())

    def flag(self, node: CommentedMap, key: str, about: str, default: bool) -> bool:
        value = node.get(key, default)
        if not isinstance(value, bool):
            self.error(self.line(node, key), f"{about}: {key} is true or false")
            return default
        return value

    def number(self, node: CommentedMap, key: str, about: str) -> float | None:
        value = node.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.error(self.line(node, key), f"{about}: {key} is a number")
            return None
        return int(value) if isinstance(value, int) else float(value)

    def codes(self, node: CommentedMap, key: str, about: str) -> tuple[str, ...]:
        value = node.get(key)
        if value is None:
            return ()
        if not isinstance(value, CommentedSeq) or not all(isinstance(code, str) for code in value):
            self.error(self.line(node, key), f"{about}: {key} is a list of codes")
            return ()
        return tuple(str(code) for code in value)

    def data(self, node: CommentedMap, key: str, about: str) -> dict[str, Any] | None:
        value = node.get(key)
        if value is None:
            return None
        if not isinstance(value, CommentedMap):
            self.error(self.line(node, key), f"{about}: {key} is a mapping")
            return None
        return _plain(value)


def _plain(value: Any) -> Any:
    """Without the reader's own types, so that equal definitions are equal."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def from_dict(data: Mapping[str, Any]) -> Questionnaire:
    """The questionnaire in such data as `dataclasses.asdict` makes of it.

    Raises DefinitionError when keys are missing or unknown. The rules are not checked here: `assess` blocks on whatever
    is wrong with them."""
    try:
        fields = dict(data)
        fields["sections"] = tuple(_build(Section, section) for section in data["sections"])
        fields["questions"] = tuple(
            _build(Question, {**question, "choices": tuple(_build(Choice, c) for c in question.get("choices", ()))})
            for question in data["questions"]
        )
        fields["rules"] = tuple(_build(Rule, rule) for rule in data["rules"])
        return Questionnaire(**fields)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DefinitionError([f"not a questionnaire: {error}"]) from error


def _build(kind: type, data: Mapping[str, Any]) -> Any:
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()})


# ---------------------------------------------------------------- the rows of the database

_OF_QUESTION = (
    *("no_finding", "exclusive", "tense", "reaches_back", "minimum", "maximum", "unit", "urgent", "urgent_codes"),
)
_OF_RULE = ("ask_again", "override_condition", "public")


def from_rows(row: models.Questionnaire) -> Questionnaire:
    """The questionnaire that a row and its sections, questions, choices and rules make up. Four queries.

    Raises DefinitionError when the rows hold something that no loader writes. The rules are not checked here: `assess`
    blocks on whatever is wrong with them."""
    sections = list(row.sections.order_by("order"))
    codes = {section.pk: section.code for section in sections}
    return from_dict(
        {
            "name": row.name,
            "version": row.version,
            "title": row.title,
            "purpose": row.purpose,
            "device_label": row.device_label,
            "sections": [{"code": s.code, "title": s.title, "intro": s.intro} for s in sections],
            "questions": [
                {
                    "link_id": question.link_id,
                    "section": codes.get(question.section_id, ""),
                    "text": question.text,
                    "kind": question.kind,
                    "hint": question.hint,
                    "choices": [
                        {"code": choice.code, "label": choice.label}
                        for choice in sorted(question.choices.all(), key=lambda choice: choice.order)
                    ],
                    "required": question.required,
                    "parent": question.parent_link_id,
                    "parent_codes": question.parent_codes,
                    **_options(question, _OF_QUESTION),
                }
                for question in row.questions.order_by("order").prefetch_related("choices")
            ],
            "rules": [
                {
                    "id": rule.code,
                    "when": rule.condition,
                    "effect": rule.effect,
                    "override": rule.override or None,
                    "needs": rule.needs,
                    "wait": rule.wait or None,
                    "title": rule.title,
                    "reason": rule.reason,
                    "advice": rule.advice,
                    "rationale": rule.rationale,
                    "source": rule.source,
                    "anchor": rule.anchor,
                    **_options(rule, _OF_RULE),
                }
                for rule in row.rules.order_by("order")
            ],
        }
    )


def _options(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(row.options, dict) or set(row.options) - set(names):
        raise DefinitionError([f"{row}: options cannot be read"])
    return row.options


def save_draft(
    questionnaire: Questionnaire, *, source_text: str = "", treatments: list[Any] | None = None
) -> tuple[models.Questionnaire, str]:
    """Keep a questionnaire as a draft. Returns its row and "made", "replaced" or "unchanged".

    A draft of the same name and version is replaced as a whole; an identical one, published or not, is left alone. All
    or nothing: on any error nothing is written. `treatments` (None: leave as they are) are those it screens for, and
    only a draft's can be set. Consequences: none for patients until somebody publishes it.

    Raises DefinitionError when the questionnaire has faults, or when that version is published and differs."""
    from django.db import transaction

    from screening import models

    faults = [fault.text for fault in find_faults(questionnaire)]
    if faults:
        raise DefinitionError(faults)
    with transaction.atomic():
        row = (
            models.Questionnaire.objects.select_for_update()
            .filter(name=questionnaire.name, version=questionnaire.version)
            .first()
        )
        same = row is not None and from_rows(row) == questionnaire
        outcome = "unchanged" if same else "made" if row is None else "replaced"
        if row is not None and row.status != models.Questionnaire.Status.DRAFT:
            if not same:
                what = f"{row.name} {row.version} is {row.get_status_display()} and never changes: give a new version"
                raise DefinitionError([what])
            if treatments is not None and set(treatments) != set(row.treatments.all()):
                what = f"{row.name} {row.version} is {row.get_status_display()}: what it screens for never changes"
                raise DefinitionError([what])
            return row, outcome
        if row is None:
            row = models.Questionnaire(name=questionnaire.name, version=questionnaire.version)
        if not same:
            if row.pk:
                for part in (row.rules, row.questions, row.sections):
                    part.all().delete()
            row.title = questionnaire.title
            row.purpose = questionnaire.purpose
            row.device_label = questionnaire.device_label
            row.source_text = source_text
            # Whoever proposed the earlier wording did not propose this one.
            row.proposed_by = None
            row.save()
            _write_parts(row, questionnaire, models)
            if from_rows(row) != questionnaire:
                raise DefinitionError([f"{row.name} {row.version} would not come back as it was written"])
        if treatments is not None and set(treatments) != set(row.treatments.all()):
            row.treatments.set(treatments)
            outcome = "replaced" if same else outcome
        return row, outcome


def _write_parts(row: models.Questionnaire, questionnaire: Questionnaire, models: Any) -> None:
    sections = models.Section.objects.bulk_create(
        models.Section(questionnaire=row, order=place, code=section.code, title=section.title, intro=section.intro)
        for place, section in enumerate(questionnaire.sections, start=1)
    )
    by_code = {section.code: section for section in sections}
    questions = models.Question.objects.bulk_create(
        models.Question(
            questionnaire=row,
            section=by_code[question.section],
            order=place,
            link_id=question.link_id,
            text=question.text,
            hint=question.hint,
            kind=question.kind,
            required=question.required,
            parent_link_id=question.parent,
            parent_codes=list(question.parent_codes),
            options=_beside_defaults(question, _OF_QUESTION),
        )
        for place, question in enumerate(questionnaire.questions, start=1)
    )
    models.Choice.objects.bulk_create(
        models.Choice(question=question_row, order=place, code=choice.code, label=choice.label)
        for question_row, question in zip(questions, questionnaire.questions, strict=True)
        for place, choice in enumerate(question.choices, start=1)
    )
    models.Rule.objects.bulk_create(
        models.Rule(
            questionnaire=row,
            order=place,
            code=rule.id,
            condition=_plain(rule.when),
            effect=rule.effect,
            override=rule.override or "",
            needs=list(rule.needs),
            wait=_plain(rule.wait) if rule.wait else {},
            title=rule.title,
            reason=rule.reason,
            advice=rule.advice,
            rationale=rule.rationale,
            source=rule.source,
            anchor=rule.anchor,
            options=_beside_defaults(rule, _OF_RULE),
        )
        for place, rule in enumerate(questionnaire.rules, start=1)
    )


def _beside_defaults(thing: Any, names: tuple[str, ...]) -> dict[str, Any]:
    defaults = {field.name: field.default for field in dataclasses.fields(thing)}
    return {name: _plain(getattr(thing, name)) for name in names if getattr(thing, name) != defaults[name]}
