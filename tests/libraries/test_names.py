"""Every name of the packages is there in ours, takes the same, and is a coroutine function where theirs is."""

from __future__ import annotations

import inspect
import itertools
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest

from .conftest import package

# Each module of the packages, and the names in it that programs import although they are in no `__all__`.
MODULES: dict[str, tuple[str, ...]] = {
    "aiofile": ("aio", "utils", "version"),
    "aiofile.aio": (
        "AIOFile",
        "AIO_FILE_CLOSED",
        "AIO_FILE_NOT_OPENED",
        "FileIOType",
        "FileMode",
        "create_context",
        "get_default_context",
        "parse_mode",
    ),
    "aiofile.utils": ("ENCODING_MAP",),
    "aiofile.version": (
        "__author__",
        "__version__",
        "author_info",
        "package_info",
        "package_license",
        "project_home",
        "team_email",
        "version_info",
    ),
    "aiofiles": ("base", "os", "ospath", "threadpool"),
    "aiofiles.base": ("AiofilesContextManager", "AsyncBase", "AsyncIndirectBase", "wrap"),
    "aiofiles.os": (),
    "aiofiles.ospath": ("wrap",),
    "aiofiles.tempfile": ("AiofilesContextManagerTempDir", "temptypes", "wrap"),
    "aiofiles.tempfile.temptypes": ("AsyncSpooledTemporaryFile", "AsyncTemporaryDirectory"),
    "aiofiles.threadpool": (
        "AsyncBufferedIOBase",
        "AsyncBufferedReader",
        "AsyncFileIO",
        "AsyncIndirectBufferedIOBase",
        "AsyncTextIOWrapper",
        "AsyncTextIndirectIOWrapper",
        "binary",
        "sync_open",
        "text",
        "wrap",
    ),
    "aiofiles.threadpool.binary": (
        "AsyncBufferedIOBase",
        "AsyncBufferedReader",
        "AsyncFileIO",
        "AsyncIndirectBufferedIOBase",
        "AsyncIndirectBufferedReader",
        "AsyncIndirectFileIO",
    ),
    "aiofiles.threadpool.text": ("AsyncTextIOWrapper", "AsyncTextIndirectIOWrapper"),
    "aiofiles.threadpool.utils": (
        "cond_delegate_to_executor",
        "delegate_to_executor",
        "proxy_method_directly",
        "proxy_property_directly",
    ),
}

# What the modules hold of others, and what says who wrote them.
NOT_COMPARED = ("__author__", "package_info", "package_license", "project_home", "team_email")


VERSIONS = {"aiofile": "3.12.3", "aiofiles": "25.1.0"}


@pytest.fixture(autouse=True)
def _the_packages_are_of_the_version_that_is_followed() -> None:
    for name, followed in VERSIONS.items():
        pytest.importorskip(name)
        if (installed := metadata.version(name)) != followed:
            pytest.skip(f"{name} {installed} is installed, and the names are those of {followed}")


def names(module: ModuleType, extra: tuple[str, ...]) -> list[str]:
    return sorted({*getattr(module, "__all__", ()), *extra})


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_there(module: str) -> None:
    real, ours = package("real", module), package("ours", module)
    expected = names(real, MODULES[module])
    # That the list above is right about the package, whose submodules come when they are imported.
    for submodule in MODULES:
        package("real", submodule)
    assert [name for name in expected if not hasattr(real, name)] == []
    assert [name for name in expected if not hasattr(ours, name)] == []
    assert sorted(getattr(ours, "__all__", ())) == sorted(getattr(real, "__all__", ()))


@pytest.mark.parametrize("module", MODULES)
def test_every_function_and_class_takes_the_same(module: str) -> None:
    real, ours = package("real", module), package("ours", module)
    for name in names(real, MODULES[module]):
        theirs, mine = getattr(real, name, None), getattr(ours, name)
        if inspect.isroutine(theirs) or isinstance(theirs, type):
            assert shape(mine) == shape(theirs), name
            if isinstance(theirs, type):
                same_methods(mine, theirs)


def same_methods(mine: type, theirs: type) -> None:
    """Fail unless one class has every public attribute of the other, of the same kind and shape."""
    for name in public(theirs):
        attribute, own = inspect.getattr_static(theirs, name), inspect.getattr_static(mine, name)
        where = f"{theirs.__qualname__}.{name}"
        assert isinstance(own, property) == isinstance(attribute, property), where
        if callable(getattr(theirs, name)):
            assert shape(getattr(mine, name)) == shape(getattr(theirs, name)), where
    assert inspect.isabstract(mine) == inspect.isabstract(theirs)


def public(kind: type) -> list[str]:
    return [
        name
        for name in dir(kind)
        if (not name.startswith("_") or name in {"__call__", "__await__", "__aiter__", "__anext__"})
        and name not in dir(tuple)
    ]


def shape(function: Any) -> tuple[bool, list[tuple[str, Any, Any]]]:
    """Return whether it is a coroutine function, and its parameters without what they are annotated with."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return False, []
    return inspect.iscoroutinefunction(function), [
        (parameter.name, parameter.kind, _default(parameter.default)) for parameter in parameters
    ]


def _default(default: Any) -> Any:
    # A default that is a function or a class of the package's own is the same by its name.
    return getattr(default, "__qualname__", default)


def test_every_mode_means_the_same() -> None:
    real, ours = package("real", "aiofile.aio"), package("ours", "aiofile.aio")
    for length in range(5):
        for letters in itertools.product("rwaxbt+U", repeat=length):
            mode = "".join(letters)
            assert meaning(ours.parse_mode, mode) == meaning(real.parse_mode, mode), mode


def meaning(parse_mode: Any, mode: str) -> Any:
    try:
        return tuple(parse_mode(mode))
    except Exception as exc:  # noqa: BLE001 - compared with another
        return type(exc), str(exc)


def test_the_version_is_that_of_the_package() -> None:
    real, ours = package("real", "aiofile.version"), package("ours", "aiofile.version")
    assert (ours.__version__, ours.version_info) == (real.__version__, real.version_info)
    for name in NOT_COMPARED:
        assert type(getattr(ours, name)) is type(getattr(real, name))
