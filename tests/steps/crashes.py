"""kill -9 of a worker, at any moment that a double tells of: cloud calls, guest commands, writes of the journal."""

from collections.abc import Callable, Iterator

from liveupdate.testing.cloud import World
from liveupdate.testing.context import MemoryContext


class Crash(BaseException):
    """kill -9: nothing of ours runs any more."""


def crash_after(moments: int) -> Callable[..., None]:
    """For a double to call at each moment: that many pass, the next is the last."""
    left = iter(range(moments))

    def strike(*_: object) -> None:
        if next(left, None) is None:
            raise Crash

    return strike


def crash_at(world: World, context: MemoryContext, number: int) -> None:
    """Let the ``number``-th moment be the last: each cloud call has one before and one after it, each record one."""
    world.strike = context.ledger.before = context.reservations.before = crash_after(number)


def alive(world: World, context: MemoryContext) -> None:
    world.strike = context.ledger.before = context.reservations.before = lambda _: None


def crashes(
    make: Callable[[], tuple[World, MemoryContext]], act: Callable[[MemoryContext], object], least: int
) -> Iterator[tuple[World, MemoryContext]]:
    """The world after each crash that there can be in ``act``; at ``least`` so many moments it must have."""
    for number in range(400):
        world, context = make()
        crash_at(world, context, number)
        try:
            act(context)
        except Crash:
            alive(world, context)
            yield world, context
        else:
            assert number >= least, "it calls too little that could crash"
            return
    raise AssertionError("it never ends")
