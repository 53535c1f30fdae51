"""What is native looks like asyncio's own: signatures, kinds of functions, public attributes, subclasses, copies."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import subprocess
import sys
import textwrap
import warnings
import weakref
from typing import Any
from unittest import mock

import pytest
from tests.namespaces import HOMES, OURS, STDLIB, Names

from .support import Loop

# Names that this Python's asyncio has; a newer one that ours have is compared where asyncio has it.
PUBLIC = sorted(name for name in HOMES if hasattr(asyncio, name))
FUNCTIONS = [name for name in PUBLIC if not isinstance(getattr(asyncio, name), type)]
CLASSES = [
    name
    for name in PUBLIC
    if isinstance(getattr(asyncio, name), type)
    and not issubclass(getattr(asyncio, name), BaseException)
]


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Names, kinds and defaults of the parameters; annotations are for type checkers.

    Nobody gives a method its `self` by name.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:
        return []
    return [
        (p.name, None if p.name == "self" else p.kind, p.default)
        for p in signature.parameters.values()
    ]


def accepts_all_of(ours: list[Any], theirs: list[Any]) -> bool:
    """Whether the parameters are asyncio's: on older Pythons, methods take the newer keywords besides."""
    return ours == theirs if sys.version_info >= (3, 12) else set(theirs) <= set(ours)


def public(cls: type) -> set[str]:
    special = {"__aenter__", "__aexit__", "__aiter__", "__anext__", "__class_getitem__", "__repr__"}
    return {name for name in dir(cls) if not name.startswith("_") or name in special}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_asyncios_signature_and_kind(name: str) -> None:
    theirs, ours = getattr(STDLIB, name), getattr(OURS, name)
    assert parameters(ours) == parameters(theirs)
    assert inspect.iscoroutinefunction(ours) is inspect.iscoroutinefunction(theirs)
    # The older as_completed is a generator function; ours can be iterated both ways, as the newer one.
    is_older = name == "as_completed" and sys.version_info < (3, 13)
    is_generator = inspect.isgeneratorfunction(theirs) and not is_older
    assert inspect.isgeneratorfunction(ours) is is_generator
    assert (ours.__name__, ours.__qualname__) == (theirs.__name__, theirs.__qualname__)
    assert ours.__doc__
    assert callable(ours)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_asyncios_public_attributes_and_signatures(name: str) -> None:
    theirs, ours = getattr(STDLIB, name), getattr(OURS, name)
    assert public(theirs) - public(ours) == set()
    assert parameters(ours) == parameters(theirs)
    assert (ours.__name__, ours.__qualname__) == (theirs.__name__, theirs.__qualname__)
    assert ours.__doc__
    for attribute in sorted(public(theirs)):
        their, our = getattr(theirs, attribute), getattr(ours, attribute)
        if inspect.isfunction(their):
            assert accepts_all_of(parameters(our), parameters(their)), attribute
            is_coroutine = inspect.iscoroutinefunction(their)
            assert inspect.iscoroutinefunction(our) is is_coroutine, attribute


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_pickled_by_its_name(name: str, names: Names) -> None:
    function = getattr(names, name)
    assert pickle.loads(pickle.dumps(function)) is function


MADE_OF_NOTHING = ["Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Queue"]
MADE_OF_NOTHING += ["LifoQueue", "PriorityQueue", "TaskGroup"]


@pytest.mark.parametrize("name", MADE_OF_NOTHING)
def test_a_primitive_is_made_without_a_loop_has_room_for_attributes_and_weak_references(
    name: str, names: Names
) -> None:
    cls = getattr(names, name)
    made: Any = cls()
    made.extra = "kept"
    assert made.extra == "kept"
    assert vars(made)["extra"] == "kept"
    assert weakref.ref(made)() is made
    assert made == made
    assert made != cls()
    assert hash(made) == hash(made)


@pytest.mark.parametrize("name", MADE_OF_NOTHING)
def test_a_primitive_can_be_subclassed_with_arguments_of_its_own(name: str, names: Names) -> None:
    cls: Any = getattr(names, name)

    class Middle(cls):  # type: ignore[misc]
        def __init__(self, label: str, *, colour: str) -> None:
            super().__init__()
            self.label, self.colour = label, colour

    class Last(Middle):
        pass

    made = Last("a", colour="b")
    assert isinstance(made, cls)
    assert (made.label, made.colour) == ("a", "b")
    assert type(made).__mro__[:3] == (Last, Middle, cls)


@pytest.mark.parametrize("name", ["Queue", "LifoQueue", "PriorityQueue"])
def test_queues_are_generic(name: str, names: Names) -> None:
    alias = getattr(names, name)[int]
    assert alias.__origin__ is getattr(names, name)
    assert alias.__args__ == (int,)
    assert isinstance(alias(), getattr(names, name))


@pytest.mark.parametrize(
    "name",
    ["Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Queue", "PriorityQueue"],
)
def test_the_loop_argument_is_gone(name: str, names: Names) -> None:
    with pytest.raises(TypeError):
        getattr(names, name)(loop=None)


async def test_what_a_coroutine_function_gives_is_a_coroutine(loop: Loop, names: Names) -> None:
    coroutine = names.sleep(0, "slept")
    assert inspect.iscoroutine(coroutine)
    assert asyncio.iscoroutine(coroutine)
    assert inspect.isawaitable(coroutine)
    assert coroutine.__name__ == "sleep"
    assert coroutine.__qualname__ == "sleep"
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    assert await coroutine == "slept"
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
        await coroutine


def test_a_coroutine_is_driven_by_hand(names: Names) -> None:
    sleeping = names.sleep(0, 5)
    assert sleeping.send(None) is None
    with pytest.raises(StopIteration) as end:
        sleeping.send(None)
    assert end.value.value == 5
    thrown = names.sleep(0)
    thrown.send(None)
    with pytest.raises(KeyError):
        thrown.throw(KeyError("thrown"))
    closed = names.sleep(0)
    closed.send(None)
    closed.close()
    with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
        closed.send(None)
    unstarted = names.sleep(0)
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        unstarted.send(1)
    unstarted.close()


def test_a_coroutine_is_not_pickled_and_not_copied(names: Names) -> None:
    coroutine = names.sleep(0)
    with pytest.raises(TypeError, match=r"^cannot pickle '(coroutine|.*Coroutine)' object$"):
        pickle.dumps(coroutine)
    coroutine.close()


def test_each_coroutine_that_is_never_awaited_is_warned_of(names: Names) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            coroutine = names.sleep(0)
            del coroutine
    assert [(w.category, str(w.message)) for w in caught] == [
        (RuntimeWarning, "coroutine 'sleep' was never awaited")
    ] * 3


def test_a_wrong_call_is_refused_in_pythons_words(names: Names) -> None:
    with pytest.raises(
        TypeError, match=r"sleep\(\) missing 1 required positional argument: 'delay'"
    ):
        names.sleep()
    with pytest.raises(TypeError, match=r"sleep\(\) got an unexpected keyword argument 'dealy'"):
        names.sleep(1, dealy=2)
    with pytest.raises(TypeError, match=r"sleep\(\) takes from 1 to 2 positional arguments"):
        names.sleep(1, 2, 3)


COROUTINE_FUNCTIONS = [
    name for name in FUNCTIONS if inspect.iscoroutinefunction(getattr(asyncio, name))
]


@pytest.mark.parametrize("name", COROUTINE_FUNCTIONS)
def test_mock_sees_a_coroutine_function(name: str, names: Names) -> None:
    module = type(sys)("patched")
    setattr(module, name, getattr(names, name))
    with mock.patch.object(module, name) as patched:
        assert isinstance(patched, mock.AsyncMock)
    # Before 3.13, mock marks what it makes for asyncio's question only.
    newer = sys.version_info >= (3, 13)
    asks = inspect.iscoroutinefunction if newer else asyncio.iscoroutinefunction
    with mock.patch.object(module, name, autospec=True) as specified:
        assert asks(specified)


def test_a_mocked_lock_has_async_methods(names: Names) -> None:
    specified = mock.create_autospec(names.Lock, instance=True)
    assert isinstance(specified.acquire, mock.AsyncMock)
    assert not isinstance(specified.release, mock.AsyncMock)


def test_a_warning_of_an_unawaited_coroutine_of_a_program(names: Names) -> None:
    """The interpreter prints it as it does for any coroutine."""
    where = "aioxide.natives.tasks" if names.native else "asyncio.tasks"
    names.require("sleep")
    source = f"from {where} import sleep\nsleep(0)\n"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, timeout=30
    )
    assert "RuntimeWarning: coroutine 'sleep' was never awaited" in done.stderr
