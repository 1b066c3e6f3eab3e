"""What a `Lab`, a `Clinic` and a map share: requests of their front end are answered one after the other, on one thread."""

import asyncio
import concurrent.futures
import functools
import gc
import threading

_trainer = concurrent.futures.ThreadPoolExecutor(1, "training")


async def in_background(generator):
    """The values of a generator that works on a thread of its own: meanwhile the kernel answers.

    From the second value on it is one ahead, so that it works while a frame is drawn, but does not delay the first.
    There is one such thread, so trainings take turns; to drop one, stop asking.
    """
    end = object()

    def begin():
        return asyncio.get_running_loop().run_in_executor(_trainer, next, generator, end)

    yield await begin()
    coming = begin()
    while (value := await coming) is not end:
        coming = begin()
        yield value


@functools.cache
def freeze_imports():
    """Once: what is there stays for good. Else Python's collector walks through all imports while a slider moves, 0.3 s each time."""
    gc.collect()
    gc.freeze()


class KernelWidget:
    """Something that displays itself as a widget, `view`, and in words, `text`.

    What the front end asks for comes to `_request`, as a dict.
    """

    view = None
    last_frame = float("-inf")  # time.monotonic() when a lab last showed a frame of its training; one for all
    _loop = None
    _thread = None

    def __init__(self):
        freeze_imports()
        self._turn = threading.RLock()  # where there is no event loop, one thread at a time

    def _find_loop(self):
        """Remember the event loop of this thread, on which requests are answered. A plain program has none."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._thread = threading.get_ident()

    def _at_home(self):
        """Whether this is the thread of the event loop, or there is none."""
        return self._loop is None or threading.get_ident() == self._thread

    def _on_loop(self, function, *arguments):
        """Call a function on the thread of the event loop; it may be asked for on any thread."""
        if self._loop is None:
            with self._turn:
                function(*arguments)
        elif self._at_home():
            function(*arguments)
        else:
            self._loop.call_soon_threadsafe(function, *arguments)

    def _receive(self, widget, message, buffers):
        """A request has arrived, on any thread. The front end learns at once that the kernel is there."""
        if self.view is not None:
            self.view.send("heard")
        self._on_loop(self._request, message)

    def _shown(self, kwargs, **pictures):
        """What a notebook shows: the view, the same in words and as pictures, {MIME type: bytes}; and metadata."""
        bundle = self.view._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})  # by version of anywidget
        return {**data, **pictures, "text/plain": self.text}, metadata
