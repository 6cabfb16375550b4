"""A TCP proxy for tests, which can pass, hang and cut: what a network does to a service."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Listens on `port` of 127.0.0.1 and passes bytes to `host`:`target` and back (a path as `host`: that socket).

    `hang()` keeps connections open and takes new ones, but moves no byte; `cut()` breaks all and refuses new ones;
    `heal()` passes again.
    """

    def __init__(self, host: str, target: int) -> None:
        self.target = (host, target)
        self._passing = threading.Event()
        self._passing.set()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.accepted = 0

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._passing.set()

    def hang(self) -> None:
        self._passing.clear()

    def cut(self) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for pair in list(self._pairs):
            self._close(pair)

    def heal(self) -> None:
        self._passing.set()
        if self._listener is None:
            self._listen()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                inner, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._join, args=(inner,), daemon=True).start()

    def _join(self, inner: socket.socket) -> None:
        self._passing.wait()
        try:
            outer = self._connect()
        except OSError:
            inner.close()
            return
        pair = (inner, outer)
        self._pairs.add(pair)
        for source, sink in (pair, pair[::-1]):
            threading.Thread(target=self._pump, args=(pair, source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self.target[0].startswith("/"):
            outer = socket.create_connection(self.target, timeout=5)
            outer.settimeout(None)
            return outer
        outer = socket.socket(socket.AF_UNIX)
        outer.connect(self.target[0])
        return outer

    def _pump(self, pair: tuple[socket.socket, socket.socket], source: socket.socket, sink: socket.socket) -> None:
        try:
            while (data := source.recv(65536)) and self._passes(pair[0], source, data):
                self._passing.wait()
                sink.sendall(data)
        except OSError:
            pass  # the other half was closed
        self._close(pair)

    def _passes(self, client: socket.socket, source: socket.socket, data: bytes) -> bool:
        """Whether the bytes that came from `source` are passed on; if not, the connection is cut."""
        return True

    def _close(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):  # it is closed already
                end.shutdown(socket.SHUT_RDWR)
            end.close()
