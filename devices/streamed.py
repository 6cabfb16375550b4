"""Answers that are made while they are sent."""

from django.http import StreamingHttpResponse


class Streamed(StreamingHttpResponse):
    """An answer made piece by piece by a plain iterator.

    The handler takes a thread for each piece and gives it back while the piece is sent (`telara.handler`), so that
    whoever reads slowly holds no thread and none of its connection to the database, and no more is made than is read.
    """
