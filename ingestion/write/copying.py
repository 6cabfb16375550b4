"""A COPY that runs while its transaction goes on thinking: whoever needs the connection first waits for it."""

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final

from django.db import connection, transaction
from psycopg2.errors import UniqueViolation

CHUNK: Final = 256 * 1024  # bytes handed over at once
SMALL: Final = 256 * 1024  # bytes that another thread is not worth
_ASIDE: Final = ThreadPoolExecutor(1, "copy")
Later = Callable[[Callable[[], None]], None]


class NotAllNewError(Exception):
    """Some of the rows are there already: none was inserted."""


def at_once(work: Callable[[], None]) -> None:
    """A `Later` that does not wait."""
    work()


class Copying:
    """COPY of `data` by `sql`, under a savepoint, for as long as the block or until something else is asked of the
    connection, in whatever code. The block, or what asked, then raises NotAllNewError where a row was there already,
    and the transaction is as it was before; any other error is raised as Django's.
    """

    def __init__(self, sql: str, data: bytes) -> None:
        self._savepoint = transaction.savepoint()
        self._cursor: Any = connection.connection.cursor()
        self._waiting: list[Callable[[], None]] = []
        self._is_over = False
        self._copied: Future[None] = Future()
        if len(data) > SMALL:
            self._copied = _ASIDE.submit(self._copy, sql, data)
        else:
            _settle(self._copied, lambda: self._copy(sql, data))

    def __enter__(self) -> "Copying":
        connection.execute_wrappers.append(self._before)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._end()
        elif not self._is_over:
            self._free()
            wait([self._copied])  # the connection is needed for the rollback
            if _is_repeated(self._copied.exception()):  # what went wrong may follow from having assumed otherwise
                self._undo()

    def then(self, work: Callable[[], None]) -> None:
        """Do it when the rows are there, before anything else is asked of the connection."""
        if self._is_over:
            work()
        else:
            self._waiting.append(work)

    def _copy(self, sql: str, data: bytes) -> None:
        with self._cursor as cursor:
            cursor.copy_expert(sql, io.BytesIO(data), CHUNK)

    def _before(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # Django's hook
        self._end()
        return execute(sql, params, many, context)

    def _free(self) -> None:
        self._is_over = True
        connection.execute_wrappers.remove(self._before)

    def _end(self) -> None:
        if self._is_over:
            return
        self._free()
        if _is_repeated(self._copied.exception()):
            self._undo()
        with connection.wrap_database_errors:
            self._copied.result()
        transaction.savepoint_commit(self._savepoint)
        for work in self._waiting:
            work()

    def _undo(self) -> None:
        transaction.savepoint_rollback(self._savepoint)
        transaction.savepoint_commit(self._savepoint)  # it would stand, and what follows lie in it
        raise NotAllNewError


def _is_repeated(error: BaseException | None) -> bool:
    return isinstance(error, UniqueViolation)


def _settle(future: "Future[None]", work: Callable[[], None]) -> None:
    """Do it in this thread, and keep what it raises."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  # raised by whoever asks for the result
        future.set_exception(error)
    else:
        future.set_result(None)
