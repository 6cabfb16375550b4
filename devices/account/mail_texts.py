"""What mails about accounts say: no values, and no secret but the link that one is for."""

from typing import Final
from urllib.parse import urlencode, urljoin
from zoneinfo import ZoneInfo

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse

from devices.account.mail_news import NEWS
from devices.account.passwords import link_secret
from devices.models import Mail, User, Verb

_LINK: Final = """Somebody, probably you, asked for a new password for {name} on Telara.

Set it here, within a day:
{link}

If it was not you, do nothing: your password stays as it is.
"""
_CHECK: Final = """Is this address yours, {name}? Then open this page within three days, and say so:
{link}

From then on a forgotten password can be set anew by mail to this address, and you are told here when somebody changes
how you sign in. If you know nothing of it, do nothing.
"""
_NEWS: Final = """{sentence}.

{where}
If that was you, there is nothing to do. If it was not:
{advice}"""
_ADVICE: Final = """- set a new password: {forgot}
- see where you are signed in, and end what you do not know: {security}
- tell whoever runs this Telara.
"""
_ADVICE_TO_FORMER: Final = """- tell whoever runs this Telara at once: no forgotten password is set anew from here.
"""
_LAST: Final = (Verb.EMAIL_VERIFIED, Verb.EMAIL_REMOVED)


def link_mail(mail: Mail, user: User) -> EmailMessage:
    """A link to set a new password."""
    text = _LINK.format(name=user.username, link=_address("login-reset", link=link_secret(user=user)))
    return EmailMessage("A new password for Telara", text, to=[mail.address])


def check_mail(mail: Mail, user: User, wanted: "EmailAddress") -> EmailMessage:
    """The question whether an address is theirs."""
    text = _CHECK.format(name=user.username, link=_address("login-email", link=EmailConfirmationHMAC(wanted).key))
    return EmailMessage("Is this your address? Telara", text, to=[mail.address])


def news_mail(mail: Mail, user: User) -> EmailMessage:
    """What has happened to the account, when, from where, and what to do if it was not they."""
    sentence = NEWS[Verb(mail.verb)].format(name=user.username, what=mail.what)
    advice = _ADVICE.format(forgot=_address("login-forgot"), security=_address("security"))
    advice = _ADVICE_TO_FORMER if mail.verb in _LAST else advice
    text = _NEWS.format(sentence=sentence, where=_when_and_where(mail, user), advice=advice)
    return EmailMessage("Your account on Telara: " + Verb(mail.verb).label, text, to=[mail.address])


def _when_and_where(mail: Mail, user: User) -> str:
    theirs = mail.made_at.astimezone(ZoneInfo(user.time_zone))
    lines = [f"When: {theirs:%Y-%m-%d %H:%M:%S} in {user.time_zone}"]
    if user.time_zone != "UTC":
        lines[0] += f" ({mail.made_at.astimezone(ZoneInfo('UTC')):%Y-%m-%d %H:%M:%S} UTC)"
    if mail.by_other:
        lines.append("By: somebody who runs this Telara")
    elif mail.caller:
        lines.append(f"From: the address {mail.caller}")
    return "".join(f"{line}\n" for line in lines)


def _address(route: str, **query: str) -> str:
    """How people reach that page. What the request called this site is not asked: whoever asks for a link to somebody
    else would say where it leads."""
    return urljoin(settings.TELARA_URL, reverse(route)) + (f"?{urlencode(query)}" if query else "")
