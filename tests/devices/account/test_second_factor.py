"""Second factors: codes that work once, recovery codes, what is kept of secrets, who must have one."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.db import connections

from devices.account.attempts import WAIT_S
from devices.account.code_tries import code_try
from devices.account.second_factor import (
    LastFactorError,
    app_add,
    app_secret_new,
    code_at,
    code_use,
    codes_left,
    codes_renew,
    factor_remove,
    factors_of,
    factors_take_away,
    has_second_factor,
    lacks_second_factor,
    passkey_add,
)
from devices.models import AuditEntry, User
from tests.made import NOON, make_user

pytestmark = pytest.mark.django_db
COUNTER = int(NOON.timestamp()) // 30
LATER = timedelta(seconds=30)
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def with_app(user: User) -> str:
    """Their secret; the code of noon is spent."""
    secret = app_secret_new()
    assert app_add(user=user, secret=secret, code=code_at(secret=secret, counter=COUNTER), at=NOON)
    return secret


def test_a_code_is_that_of_the_standard() -> None:
    """RFC 6238, appendix B: the last six digits for 59 s and for 1111111109 s."""
    assert code_at(secret=SECRET, counter=1) == "287082"
    assert code_at(secret=SECRET, counter=1111111109 // 30) == "081804"


def test_a_code_of_the_app_works_once_and_none_before_it_works_any_more(alice: User) -> None:
    secret = with_app(alice)
    now, next_one, far = (code_at(secret=secret, counter=COUNTER + ahead) for ahead in (0, 1, 2))
    assert code_use(user=alice, code=now, at=NOON) is None, "it was shown when the app was set up"
    assert code_use(user=alice, code=far, at=NOON) is None, "a minute ahead"
    assert code_use(user=alice, code=f" {next_one[:3]} {next_one[3:]}", at=NOON) is not None
    assert [code_use(user=alice, code=code, at=NOON + LATER) for code in (next_one, now)] == [None, None]
    assert code_use(user=alice, code=far, at=NOON + LATER) is not None
    assert code_use(user=alice, code="", at=NOON + 9 * LATER) is None
    of_alice = code_at(secret=secret, counter=COUNTER + 9)
    assert code_use(user=make_user("bob"), code=of_alice, at=NOON + 9 * LATER) is None


def test_a_recovery_code_works_once_and_new_ones_end_those_before(alice: User) -> None:
    with_app(alice)
    first, second, *_ = codes = codes_left(user=alice)
    assert len(set(codes)) == 10
    assert code_use(user=alice, code=f"{first[:4]} {first[4:]}", at=NOON) is not None
    assert code_use(user=alice, code=first, at=NOON) is None
    assert codes_left(user=alice) == codes[1:]
    codes_renew(user=alice)
    assert not set(codes_left(user=alice)) & set(codes)
    assert code_use(user=alice, code=second, at=NOON) is None


def test_no_secret_can_be_read_from_the_database(alice: User, settings) -> None:
    secret = with_app(alice)
    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept
    assert all(code not in kept for code in codes_left(user=alice))
    before, settings.SECRET_KEY = settings.SECRET_KEY, "another one"
    assert code_use(user=alice, code=code_at(secret=secret, counter=COUNTER + 1), at=NOON) is None
    settings.SECRET_KEY_FALLBACKS = [before]
    assert code_use(user=alice, code=code_at(secret=secret, counter=COUNTER + 1), at=NOON) is not None


@pytest.mark.django_db(transaction=True)
def test_of_two_who_set_one_up_at_once_both_are_answered(alice: User) -> None:
    together, answers = Barrier(2), []

    def press() -> None:
        together.wait()
        answers.append(app_add(user=alice, secret=SECRET, code=code_at(secret=SECRET, counter=COUNTER), at=NOON))
        connections.close_all()

    threads = [Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True, True]
    assert sorted(Authenticator.objects.values_list("type", flat=True)) == ["recovery_codes", "totp"]


@pytest.mark.django_db(transaction=True)
def test_of_many_tries_at_once_five_are_looked_at(alice: User) -> None:
    together, left = Barrier(8), []

    def guess() -> None:
        together.wait()
        left.append(code_try(user=alice, at=NOON))
        connections.close_all()

    threads = [Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left.count(None) == 3
    assert code_try(user=alice, at=NOON + timedelta(seconds=WAIT_S - 1)) is None
    assert code_try(user=alice, at=NOON + timedelta(seconds=WAIT_S)) == 4


def test_recovery_codes_go_with_the_last_factor(alice: User) -> None:
    with_app(alice)
    passkey_add(user=alice, name="key", credential={})
    factors = factors_of(user=alice)
    factor_remove(factor=factors.app)
    assert factors_of(user=alice).codes is not None
    factor_remove(factor=factors.passkeys[0])
    assert not Authenticator.objects.exists()


def test_staff_must_have_one_where_the_setting_says_so_and_keep_the_last(alice: User, settings) -> None:
    chief = make_user("chief", is_staff=True)
    assert not lacks_second_factor(user=chief)
    settings.TELARA_STAFF_SECOND_FACTOR = True
    assert (lacks_second_factor(user=chief), lacks_second_factor(user=alice)) == (True, False)
    with_app(chief)
    assert not lacks_second_factor(user=chief)
    with pytest.raises(LastFactorError):
        factor_remove(factor=factors_of(user=chief).app)
    assert has_second_factor(user=chief)


def test_what_was_lost_is_taken_away_and_it_is_said_by_whom(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    secret = with_app(alice)
    assert factors_take_away(user=alice, by=make_user("chief"))
    assert not has_second_factor(user=alice)
    said = caplog.text
    assert all(each in said for each in ("added a second factor: authenticator app", "made recovery codes", "chief"))
    noted = list(AuditEntry.objects.order_by("pk").values_list("verb", "person", "actor"))
    assert noted == [("factor_added", "alice", ""), ("codes_made", "alice", ""), ("factor_removed", "alice", "chief")]
    assert secret not in f"{said}{list(AuditEntry.objects.values())}"


def test_where_nobody_else_can_a_command_takes_it_away(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    with_app(alice)
    call_command("forget_second_factor", "alice")
    assert not has_second_factor(user=alice)
    assert "by password alone" in capsys.readouterr().out
    for name in ("alice", "nobody"):
        with pytest.raises(CommandError, match=name):
            call_command("forget_second_factor", name)
