"""What goes wrong outside, told in a sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management.base import CommandError
from django.db import OperationalError, ProgrammingError

from ingestion.send.producer import NotAcknowledgedError


@contextmanager
def explained() -> Iterator[None]:
    """Raise CommandError for a database or broker that is not there or not ready, and for what can't be done."""
    try:
        yield
    except (ValueError, NotAcknowledgedError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    except OperationalError as error:
        raise CommandError(f"The database does not answer: {error}") from error
    except ProgrammingError as error:
        if getattr(error.__cause__, "pgcode", None) != "42P01":  # undefined table
            raise
        raise CommandError("The database has no tables yet: run manage.py migrate first.") from error
    except KafkaException as error:
        raise CommandError(f"The broker at {settings.KAFKA['bootstrap.servers']}: {error.args[0].str()}") from error
