"""The import arrows of docs/architecture.md, held against the code: imports, and reverse look-ups through the ORM."""

import ast
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent
MAY = {
    "clinic": set(),
    "education": {"clinic"},
    "outbox": {"clinic"},
    "screening": {"clinic", "outbox"},
    "booking": {"clinic", "outbox", "screening.clearance"},
}
# Inside an app: models know nothing of what stands on them.
ABOVE_MODELS = {"forms", "views", "admin", "urls"}


def modules(app: str) -> list[Path]:
    """The app's modules; migrations and the commands (the composition root) may see everything."""
    return [
        path
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts and "commands" not in path.parts
    ]


def imported(node: ast.AST) -> list[str]:
    """The dotted names that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return named_in_words(node)


def named_in_words(node: ast.AST) -> list[str]:
    """What is imported or looked up by its name in a string; `from ..` says no app, and is refused as such."""
    if isinstance(node, ast.ImportFrom):
        return ["a relative import"]
    if not isinstance(node, ast.Call):
        return []
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    words = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    return [".".join(map(str, words))] if called in {"import_module", "import_string", "get_model"} and words else []


def against_the_arrows(app: str, source: str) -> list[str]:
    """The names a module of `app` imports and may not."""
    wrong = []
    for node in ast.walk(ast.parse(source)):
        for name in imported(node):
            top = name.split(".")[0]
            other = top in MAY and top != app
            if name == "a relative import" or (
                other and not any(name == ok or name.startswith(f"{ok}.") for ok in MAY[app])
            ):
                wrong.append(name)
    return wrong


@pytest.mark.parametrize("app", MAY)
def test_an_app_imports_only_what_the_arrows_allow(app):
    wrong = {str(path): names for path in modules(app) if (names := against_the_arrows(app, path.read_text()))}
    assert not wrong


def test_the_check_sees_an_import_against_the_arrows():
    assert against_the_arrows("booking", "from screening.models import Review") == ["screening.models.Review"]
    assert against_the_arrows("clinic", "def f():\n    import booking.models") == ["booking.models"]
    assert against_the_arrows("booking", "from screening.clearance import clearance_for") == []
    assert against_the_arrows("booking", "from screening import clearance") == []
    assert against_the_arrows("booking", "apps.get_model('screening', 'Review')") == ["screening.Review"]
    assert against_the_arrows("booking", "import_module('screening.models')") == ["screening.models"]
    assert against_the_arrows("clinic", "from ..booking import models") == ["a relative import"]


@pytest.mark.parametrize("app", MAY)
def test_models_import_nothing_that_stands_on_them(app):
    path = ROOT / app / "models.py"
    names = [name for node in ast.walk(ast.parse(path.read_text())) for name in imported(node)]
    assert not [name for name in names if name.startswith(f"{app}.") and name.split(".")[1] in ABOVE_MODELS]


# Inside an app, and from one to another: pages stand on forms, forms on verbs, verbs on models.
PAGES = {"views", "callbacks", "admin", "urls", "site", "panels", "middleware", "context"}
# At the chair booking asks the questions of the re-check, and gets their form from the one module of screening that it
# sees, which has it from here.
DOORS = {("screening.chair", "screening.forms")}


def layer(name: str) -> int:
    """0 for verbs and what is below them, 1 for forms, 2 for pages; of a module of an app, without the app."""
    if name in PAGES or name.endswith(("_pages", "_admin")):
        return 2
    return 1 if name == "forms" else 0


def upwards(app: str, module: str, source: str) -> list[str]:
    """The modules of ours that stand above this one and are imported by it all the same."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for name in imported(node):
            top, _dot, inside = name.partition(".")
            to = f"{top}.{inside.split('.')[0]}"
            if top in MAY and layer(inside.split(".")[0]) > layer(module) and (f"{app}.{module}", to) not in DOORS:
                found.append(to)
    return found


@pytest.mark.parametrize("app", MAY)
def test_pages_stand_on_forms_and_forms_on_verbs(app):
    below = [p for p in modules(app) if p.stem not in {"apps", "settings", "wsgi"} and "templatetags" not in p.parts]
    wrong = {str(path): names for path in below if (names := upwards(app, path.stem, path.read_text()))}
    assert not wrong


def test_the_check_sees_a_verb_that_imports_a_page():
    assert upwards("booking", "desk", "from booking.views import slots") == ["booking.views"]
    assert upwards("booking", "desk", "from clinic.admin import PatientForm") == ["clinic.admin"]
    assert upwards("booking", "forms", "from booking import desk_pages") == ["booking.desk_pages"]
    assert upwards("screening", "chair", "from screening import forms") == []
    assert upwards("booking", "desk_pages", "from booking import forms, desk") == []


def reverse_names(app: str) -> set[str]:
    """Names of reverse relations that lead from a model to an app which `app` may not import."""
    names, own = set(), set()
    for config in apps.get_app_configs():
        if config.label not in MAY:
            continue
        for model in config.get_models():
            for relation in model._meta.related_objects:
                other = relation.related_model._meta.app_label
                if other == app and (name := relation.get_accessor_name()):
                    own.add(name)
                crosses = other in MAY and other != config.label and other != app and other not in MAY[app]
                if crosses and (name := relation.get_accessor_name()):
                    names.add(name)
    return names - own


def reverse_uses(source: str, names: set[str]) -> list[str]:
    """Where code reaches over: `patient.<name>.filter(…)`, `<name>__field=…`, or the name in a string of a query."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr in names:
            found.append(node.value.attr)
        elif isinstance(node, ast.keyword) and node.arg and node.arg.split("__")[0] in names and "__" in node.arg:
            found.append(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.split("__")[0] in names:
            found.append(node.value)
    return found


@pytest.mark.parametrize("app", MAY)
def test_an_app_does_not_reach_over_an_arrow_through_the_orm(app):
    names = reverse_names(app)
    uses = {str(path): found for path in modules(app) if (found := reverse_uses(path.read_text(), names))}
    assert not uses


def test_the_check_sees_a_reverse_look_up():
    assert reverse_uses("patient.responses.filter(x=1)", {"responses"}) == ["responses"]
    assert reverse_uses("Patient.objects.filter(responses__status=1)", {"responses"}) == ["responses__status"]
