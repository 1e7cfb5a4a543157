"""Who somebody is: signing in, the second step and what stops them, in every state."""

import re
import time
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from clinic.management.commands.demo import PASSWORD
from tests import make
from tests.journey.conftest import last_message
from tests.journey.hands import Mouse
from tests.journey.states import enter, fill_birth_date, patient_who_signs_in, press, sign_in_with_password, staff

pytestmark = pytest.mark.django_db(transaction=True)


def figures(secret: str) -> str:
    """What the app on the phone shows now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def test_signing_in_in_every_state(house, someone, look, settings):
    page = someone()
    with look.part("a patient"):
        page.goto("/accounts/login/")
        look(page, "We send a code to your e-mail address")
        page.get_by_text("I work at the clinic").click()
        look(page, "Sign in with my password")
        page.get_by_role("button", name="Sign in with my password").click()
        look(page, "Sign in to the staff pages")
        page.locator("input[name=login]").fill("nobody@demo.example")
        page.locator("input[name=password]").fill("not this one")
        press(page, "Sign in with my password")
        look(page, "Sign in to the staff pages", "password")
        page.goto("/accounts/login/code/")
        press(page, "Send me a code")
        look(page, "Sign in with a code")
        assert page.title().startswith("Error:")
        page.locator("main input[name=email]").fill("somebody@example.org")
        press(page, "Send me a code")
        look(page, "Write the code we sent you")
        press(page, "Correct the address")
        look(page, "Sign in with a code")
    with look.part("one's own page"):
        enter(page, make.make_user(email="new@example.org", name="Nora New"))
        page.goto("/my/")
        look(page, "There is nothing here yet")
        enter(page, patient_who_signs_in("Ella Empty").user)
        page.goto("/my/")
        look(page, "You have no appointment at the moment")
        page.goto("/accounts/sessions/")
        look(page)
        page.goto("/accounts/logout/")
        look(page, "Sign out?")
        press(page, "Sign out")
        look(page, "signed out")
        user = make.make_user(email="phoned@example.org", name="Phil Phoned")
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        make.make_patient(name="Phil Phoned", email=user.email)
        enter(page, user)
        page.goto("/my/")
        look(page, "One more question, so that we know it is you")
        press(page, "Continue")
        look(page, "One more question")
        for _try in range(6):
            fill_birth_date(page, "5", "May", "1990")
            press(page, "Continue")
            if _try in (0, 5):
                look(page, "This does not match what we know" if not _try else "Those were many tries")
    with look.part("a password that is forgotten"):
        enter(page)
        page.goto("/accounts/password/reset/")
        look(page)
        press(page, button="form button[type=submit]")
        look(page)
        assert page.title().startswith("Error:")
        page.locator("main input[name=email]").fill("manager@demo.example")
        press(page, button="form button[type=submit]")
        look(page)
        text = last_message("manager@demo.example", "password_link").text
        page.goto(re.search(r"https?://[^/\s]+(/\S+)", text)[1])
        look(page)
        press(page, button="form button[type=submit]")
        look(page)
        for box in page.locator("main input[type=password]").all():
            box.fill("a horse, a battery and a staple")
        press(page, button="form button[type=submit]")
        look(page)
        page.goto(re.search(r"https?://[^/\s]+(/\S+)", text)[1])
        look(page)
        page.goto("/accounts/inactive/")
        look(page)
        page.goto("/accounts/locked/")
        look(page, "You have been signed out")
    with look.part("a member of staff"):
        enter(page, staff("desk"))
        page.goto("/accounts/password/change/")
        look(page)
        press(page, button="form button[type=submit]")
        look(page)
        page.goto("/accounts/sessions/")
        look(page)
        page.goto("/admin/booking/appointment/phone/")
        look(page)
    with look.part("the screen was left alone"):
        page.locator("input[name=q]").fill("Rita")
        house.go_to(house.now + timedelta(minutes=11))
        press(page, "Find")
        look(page, "You have been signed out", "We did not receive what you sent just now")
        page.goto("/admin/")
        look(page, "Sign in")
    with look.part("the second step"):
        settings.STAFF_SECOND_FACTOR = True
        enter(page)
        page.goto("/admin/")
        sign_in_with_password(page, "desk")
        look(page, "Is it still you?")
        page.locator("main input[type=password]").fill("wrong")
        press(page, button="form button[type=submit]")
        look(page)
        page.locator("main input[type=password]").fill(PASSWORD)
        press(page, button="form button[type=submit]")
        page.wait_for_load_state()
        look(page, "Set up the authenticator app")
        press(page, "Finish")
        look(page, "Set up the authenticator app")
        page.locator("main input[name=code]").fill("000000")
        press(page, "Finish")
        look(page, "Set up the authenticator app")
        secret = page.locator("code.secret").inner_text()
        page.locator("main input[name=code]").fill(figures(secret))
        press(page, "Finish")
        look(page)
        page.goto("/accounts/2fa/")
        look(page, "Recovery codes")
        page.goto("/accounts/2fa/recovery-codes/")
        look(page)
        page.goto("/accounts/2fa/recovery-codes/generate/")
        look(page)
        page.goto("/accounts/2fa/totp/deactivate/")
        look(page)
        house.go_to(house.now + timedelta(minutes=6))
        page.goto("/admin/")
        house.go_to(house.now + timedelta(minutes=6))  # not left alone, and longer than a password counts as fresh
        page.goto("/accounts/2fa/recovery-codes/")
        look(page, "Is it still you?", "Another way")
        press(page, button="form button[type=submit]")
        look(page, "Is it still you?")
        assert page.title().startswith("Error:")
        Mouse(page).press(page.get_by_role("link", name="Use authenticator app or code"))
        look(page, "Is it still you?", "Another way")
        press(page, "Continue")
        look(page, "Is it still you?")
        page.locator("main input[name=code]").fill("000000")
        press(page, "Continue")
        look(page, "Is it still you?")
        page.locator("main input[name=code]").fill(figures(secret))
        press(page, "Continue")
        look(page, "Recovery codes")
        enter(page)
        page.goto("/admin/")
        sign_in_with_password(page, "desk")
        look(page, "Second step: your authenticator")
        page.locator("main input[name=code]").fill("000000")
        press(page, "Sign in")
        look(page, "Second step: your authenticator")
    look.end()
