"""Something that happens again and again, and whoever waits for the next time."""

import asyncio


class Signal:
    """Of one event loop, which it has to be fired on."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def fire(self) -> None:
        """Wake all who wait."""
        fired, self._next = self._next, asyncio.Event()
        fired.set()

    def next(self) -> asyncio.Event:
        """Set when it fires next. Take it before looking, so that nothing falls between."""
        return self._next
