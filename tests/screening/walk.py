"""Walks through the screening pages as a browser without JavaScript would."""

from screening.models import QuestionnaireResponse
from screening.steps import Step, steps_of


def post_data(step: Step, answers: dict) -> dict:
    """The fields that a browser sends for these answers on one step."""
    data: dict = {"action": "continue"}
    for question in step.questions:
        value = answers.get(question.link_id)
        if value is None:
            continue
        if question.kind in ("day", "date"):
            if value == "unknown":
                data[f"{question.link_id}_unknown"] = "on"
                continue
            year, month, day = [*value.split("-"), "", ""][:3]
            data |= {
                f"{question.link_id}_year": year,
                f"{question.link_id}_month": month,
                f"{question.link_id}_day": day,
            }
        else:
            data[question.link_id] = value
    return data


class Walker:
    """Somebody at one device."""

    def __init__(self, client, questionnaire, treatment=None):
        self.client, self.treatment = client, treatment
        self.definition = questionnaire.definition()
        self.steps = steps_of(self.definition)

    def begin(self):
        slug = self.treatment.slug if self.treatment else ""
        return self.client.post("/screening/", {"agree": "on", "treatment": slug})

    def step(self, number: int, answers: dict, **extra):
        data = post_data(self.steps[number - 1], answers) | extra
        return self.client.post(f"/screening/{number}/", data)

    def number_of(self, link_id: str) -> int:
        return next(step.number for step in self.steps if link_id in [q.link_id for q in step.questions])

    def fill_in(self, answers: dict, *, until: int = 99):
        """Begins and answers every step before `until`; the last answer of the server."""
        response = self.begin()
        for step in self.steps:
            if step.number >= until:
                break
            response = self.step(step.number, answers)
            assert response.status_code == 302, response.content.decode()
        return response

    def send(self, answers: dict | None = None):
        if answers is not None:
            self.fill_in(answers)
        return self.client.post("/screening/check/", {"declare": "on", "shown": self.shown()})

    def shown(self) -> str:
        """What the page "check your answers" carries about the answers on it."""
        page = self.client.get("/screening/check/")
        return page.context["form"]["shown"].value() if page.status_code == 200 and "form" in page.context else ""

    @property
    def response(self) -> QuestionnaireResponse | None:
        return QuestionnaireResponse.objects.filter(uuid=self.client.session.get("screening")).first()
