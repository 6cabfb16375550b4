"""`/settings/security/confirm/`: is it still you? By the second factor of who has one, else by the password."""

from typing import TYPE_CHECKING, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.account.proof import Proof, factor_proof, password_proof, proof_page
from devices.account.confirmed import confirm_note
from devices.account.second_factor import has_second_factor

if TYPE_CHECKING:
    from devices.models import User


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("code", "credential", "password")
def confirm(request: HttpRequest) -> HttpResponse:
    """GET ?next=ADDRESS, and POST of `code`, `credential` or `password`."""
    user = cast("User", request.user)
    proof = Proof()
    if request.method == "POST":
        by_factor = has_second_factor(user=user)
        password = request.POST.get("password", "")
        proof = factor_proof(request, user) if by_factor else password_proof(request, user, password)
        if proof.is_right:
            confirm_note(request)
            return HttpResponseRedirect(_next(request))
    return proof_page(request, "account/confirm.html", user, proof, page_title="Security", next=_next(request))


def _next(request: HttpRequest) -> str:
    """An address of ours, or the page."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return asked if is_ours else reverse("security")
