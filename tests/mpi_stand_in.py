"""An executor that keeps the protocol of mpi4py's, without MPI.

As `mpi4py.futures.MPIPoolExecutor` does: its workers start with the first call, one
thread of its own gives them work and ends the futures, what cannot be pickled is an
error of the future as pickle raised it, an error of the function has the worker's
traceback as its cause, and a failed initializer breaks the pool.
"""

import pickle
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
Item: TypeAlias = "tuple[Future[Any], tuple[Any, ...]] | None"


class RemoteTraceback(Exception):
    """How the error of a worker looked there."""


class MPIStandIn(Executor):
    """One worker, in a thread, which gets and returns only bytes."""

    def __init__(self, *, initializer: Callable[[], object] | None = None) -> None:
        self._initializer = initializer
        self._queue = SimpleQueue[Item]()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._shut_down = False
        self._broken: str | None = None

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        with self._lock:
            if self._broken:
                raise BrokenExecutor(self._broken)
            if self._shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._thread is None:
                self._thread = threading.Thread(target=self._manage)
                self._thread.start()
            future = Future[R]()
            self._queue.put((future, (fn, args, kwargs)))
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as inherited
        with self._lock:
            self._shut_down = True
            if cancel_futures:
                self._empty()
            self._queue.put(None)
        if wait and self._thread is not None:
            self._thread.join()

    def _empty(self) -> None:
        while not self._queue.empty():
            item = self._queue.get()
            if item is not None:
                item[0].cancel()
                item[0].set_running_or_notify_cancel()

    def _manage(self) -> None:
        try:
            if self._initializer is not None:
                self._initializer()
        except Exception:  # noqa: BLE001 - whatever it is, the pool is broken
            self._break("initializer failed")
            return
        while (item := self._queue.get()) is not None:
            future, task = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                sent = pickle.dumps(task)
            except Exception as error:  # noqa: BLE001 - it is the future's
                future.set_exception(error)
                continue
            answer: Any = pickle.loads(_work(sent))  # noqa: S301
            if isinstance(answer, _Failed):
                failure, text = answer.args
                failure.__cause__ = RemoteTraceback(text)
                future.set_exception(failure)
            else:
                future.set_result(answer)

    def _break(self, message: str) -> None:
        with self._lock:
            self._broken = message
            while not self._queue.empty():
                item = self._queue.get()
                if item is not None and item[0].set_running_or_notify_cancel():
                    item[0].set_exception(BrokenExecutor(message))


class _Failed(Exception):
    """An error, and how it looked where it was raised."""


def _work(sent: bytes) -> bytes:
    func, args, kwargs = pickle.loads(sent)  # noqa: S301
    try:
        return pickle.dumps(func(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - it is sent back
        return pickle.dumps(_Failed(cast("Any", error), traceback.format_exc()))
