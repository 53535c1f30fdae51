"""`Path`: the names of anyio's and of `pathlib`, the answers of `pathlib`."""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
import pathlib
import pickle
import sys
from typing import Any

import anyio
import pytest

from aioxide.files import Path

from .outcomes import NAMES, awaited, blocking, iterated, make_tree, plain, tree

# Removed from `pathlib` in 3.12, and never in anyio.
GONE = {"link_to"}

TEXTS = (
    "",
    ".",
    "..",
    "/",
    "//",
    "a",
    "a/b",
    "/a/b.c",
    "a/b.tar.gz",
    "../a",
    ".hidden",
    "a.",
    "a/./b//c/",
    "/ä/ö ü",
)


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")} - GONE


def test_the_names_are_those_of_anyio_and_pathlib() -> None:
    ours = public(Path)
    assert public(pathlib.Path) - ours == set()
    # It passes calls on to threads of a number that its users may limit.
    assert public(anyio.Path) - {"limiter"} - ours == set()
    assert ours - public(pathlib.Path) - public(anyio.Path) == set()


@pytest.mark.parametrize("name", sorted(public(anyio.Path) - {"limiter"}))
def test_what_is_awaited_is_what_anyio_awaits(name: str) -> None:
    ours, theirs = getattr(Path, name), getattr(anyio.Path, name)
    if name == "open":
        # Ours can be entered, too.
        assert hasattr(ours(Path()), "__await__")
        return
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)
    assert callable(ours) == callable(theirs)


@pytest.mark.parametrize("name", sorted(public(anyio.Path) - {"limiter"}))
def test_the_parameters_are_those_of_anyio(name: str) -> None:
    ours, theirs = getattr(Path, name), getattr(anyio.Path, name)
    if not callable(ours):
        return
    accepted = set(inspect.signature(ours).parameters)
    wanted = set(inspect.signature(theirs).parameters) - {"limiter"}
    # These take their arguments by position only, whatever they are called.
    if name not in {"joinpath", "full_match"}:
        assert wanted - accepted == set()


@pytest.mark.parametrize("text", TEXTS)
def test_a_path_says_of_itself_what_pathlib_says(text: str) -> None:
    ours, theirs = Path(text), pathlib.Path(text)
    assert str(ours) == str(theirs)
    assert bytes(ours) == bytes(theirs)
    assert os.fspath(ours) == os.fspath(theirs)
    assert repr(ours) == f"Path({theirs.as_posix()!r})"
    for name in ("anchor", "drive", "name", "parent", "parts", "root", "stem", "suffix"):
        assert plain(getattr(ours, name)) == plain(getattr(theirs, name)), name
    assert ours.suffixes == theirs.suffixes
    assert plain(tuple(ours.parents)) == plain(tuple(theirs.parents))
    calls: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("as_posix", ()),
        ("as_uri", ()),
        ("is_absolute", ()),
        *[("is_relative_to", (other,)) for other in TEXTS],
        *[("relative_to", (other,)) for other in TEXTS],
        *[("joinpath", (other, "end")) for other in TEXTS],
        *[("__truediv__", (other,)) for other in TEXTS],
        *[("__rtruediv__", (other,)) for other in TEXTS],
        *[("match", (pattern,)) for pattern in ("*", "b*", "/a/*", "", "a/**")],
        *[("with_name", (name,)) for name in ("new", "", "a/b", ".")],
        *[("with_stem", (name,)) for name in ("new", "a/b", ".")],
        *[("with_suffix", (name,)) for name in (".new", "", "new", ".a/b", ".")],
        ("with_segments", ("x", "y")),
    )
    for name, args in calls:
        if name == "with_segments" and sys.version_info < (3, 12):
            continue
        assert blocking(getattr(ours, name), *args) == blocking(getattr(theirs, name), *args), (
            name,
            args,
        )
        # What is path-like serves as well as what it stands for.
        mixed = [Path(arg) if name in {"joinpath", "__truediv__"} else arg for arg in args]
        assert blocking(getattr(ours, name), *mixed) == blocking(getattr(theirs, name), *args)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="pathlib has it from Python 3.13 on")
def test_newer_ways_to_look_at_a_path() -> None:
    for text in TEXTS:
        for pattern in ("*", "**", "a/*", "**/b*"):
            assert Path(text).full_match(pattern) == pathlib.Path(text).full_match(pattern)
    assert Path.from_uri("file:///a/b") == Path("/a/b")
    assert blocking(Path.from_uri, "http://a") == blocking(pathlib.Path.from_uri, "http://a")
    assert Path.parser.__get__(Path()) is pathlib.Path.parser


@pytest.mark.skipif(sys.version_info < (3, 12), reason="pathlib has it from Python 3.12 on")
def test_a_path_can_be_relative_by_going_up() -> None:
    assert Path("a/b").relative_to("a/c", walk_up=True) == Path("../b")
    assert Path("a/b").relative_to(Path("a/c"), walk_up=True) == Path("../b")
    assert Path("A").match("a", case_sensitive=False)


def test_paths_are_compared_with_each_other_and_with_those_of_pathlib() -> None:
    ours, theirs = Path("a/b"), pathlib.Path("a/b")
    assert ours == theirs
    assert theirs == ours
    assert hash(ours) == hash(theirs)
    assert ours != "a/b"
    assert ours != Path("a")
    assert {ours: 1}[Path("a") / "b"] == 1
    assert sorted([Path("b"), Path("a")]) == [Path("a"), Path("b")]
    assert Path("a") < Path("b") <= Path("b")
    assert Path("b") > pathlib.Path("a")
    assert Path("b") >= Path("a")
    with pytest.raises(TypeError):
        assert Path("a") < "b"  # type: ignore[operator]
    with pytest.raises(TypeError):
        assert Path("a") / 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        assert 1 / Path("a")  # type: ignore[operator]


class Own(Path):
    """A path of somebody else's."""

    async def is_own(self) -> bool:
        return await self.exists()


def test_paths_are_copied_and_pickled_with_their_class() -> None:
    for path in (Path("a/b"), Own("/x")):
        for copied in (
            copy.copy(path),
            copy.deepcopy(path),
            pickle.loads(pickle.dumps(path)),
        ):
            assert copied == path
            assert type(copied) is type(path)
    assert isinstance(Path(), os.PathLike)
    assert Path(Path("a"), pathlib.Path("b")) == pathlib.Path("a/b")


async def test_what_is_derived_makes_more_of_its_kind(
    loop: asyncio.AbstractEventLoop, tmp_path: pathlib.Path
) -> None:
    root = Own(make_tree(tmp_path / "root"))
    made = [
        root / "file",
        root.parent,
        root.parents[0],
        root.with_name("new"),
        root.joinpath("a"),
        root.relative_to("/"),
        await Own.cwd(),
        await Own.home(),
        await root.absolute(),
        await root.resolve(),
        await (root / "to_file").readlink(),
        await (root / "file").rename(root / "renamed"),
        *[path async for path in root.iterdir()],
        *[path async for path in root.glob("*")],
        *[path async for path in root.rglob("*")],
    ]
    assert {type(path) for path in made} == {Own}
    assert await root.is_own()


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_tree(tmp_path / "root")


QUESTIONS = (
    "absolute",
    "exists",
    "group",
    "is_block_device",
    "is_char_device",
    "is_dir",
    "is_fifo",
    "is_file",
    "is_mount",
    "is_socket",
    "is_symlink",
    "lstat",
    "owner",
    "read_bytes",
    "readlink",
    "resolve",
    "stat",
)


@pytest.mark.parametrize("question", QUESTIONS)
async def test_questions_are_answered_as_by_pathlib(
    loop: asyncio.AbstractEventLoop,
    root: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    question: str,
) -> None:
    monkeypatch.chdir(root)
    for name in NAMES:
        if name == "fifo" and question.startswith("read"):
            continue
        for text in (name, f"{root}/{name}"):
            ours, theirs = getattr(Path(text), question), getattr(pathlib.Path(text), question)
            assert await awaited(ours) == blocking(theirs), text


async def test_questions_need_not_follow_links(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    for question in ("exists", "is_dir", "is_file", "stat", "owner", "group"):
        for name in ("to_file", "to_directory", "broken", "file"):
            ours, theirs = getattr(Path(root / name), question), getattr(root / name, question)
            expected = blocking(theirs, follow_symlinks=False)
            assert await awaited(ours, follow_symlinks=False) == expected


async def test_other_ways_to_ask(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        assert await awaited(Path(root / name).resolve, True) == blocking(
            (root / name).resolve, True
        )
        for other in (root / "file", str(root / "directory"), root / "missing"):
            assert await awaited(Path(root / name).samefile, other) == blocking(
                (root / name).samefile, other
            )
    assert await Path(root / "file").samefile(Path(root / "to_file"))
    assert await Path.cwd() == pathlib.Path.cwd()
    monkeypatch.setenv("HOME", "/somewhere")
    assert await Path.home() == pathlib.Path("/somewhere")
    for text in ("~", "~/a", "~root/a", "~nobody-has-this-name", "a/~"):
        assert await awaited(Path(text).expanduser) == blocking(pathlib.Path(text).expanduser)
    if sys.version_info >= (3, 12):
        assert not await Path(root).is_junction()
    if sys.version_info < (3, 15):
        assert not Path(root).is_reserved()


async def test_directories_are_listed_as_by_pathlib(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    for name in NAMES:
        assert await iterated(Path(root / name).iterdir) == blocking(
            lambda name=name: list((root / name).iterdir())
        )
    for pattern in ("*", "**", "**/*", "*/*.txt", "dir*/**/b*", "", "/a", "missing/*", "**/"):
        for search in ("glob", "rglob"):
            ours, theirs = getattr(Path(root), search), getattr(root, search)
            assert await iterated(ours, pattern) == blocking(
                lambda theirs=theirs, pattern=pattern: list(theirs(pattern))
            ), (search, pattern)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="pathlib has it from Python 3.12 on")
async def test_walk_goes_where_that_of_pathlib_goes(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    for top in (root, root / "missing"):
        for args in ((), (False,), (True, None, True)):
            assert await iterated(Path(top).walk, *args) == blocking(
                lambda top=top, args=args: list(top.walk(*args))
            )
    errors: list[OSError] = []
    async for _ in Path(root / "missing").walk(on_error=errors.append):
        pass
    assert [type(error) for error in errors] == [FileNotFoundError]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="pathlib has it from Python 3.13 on")
async def test_searches_take_what_newer_ones_take(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    options = {"case_sensitive": False, "recurse_symlinks": True}
    assert await iterated(Path(root).glob, Path("DIR*/**"), **options) == blocking(
        lambda: list(root.glob(pathlib.Path("DIR*/**"), **options))
    )


async def test_a_search_can_be_left(loop: asyncio.AbstractEventLoop, root: pathlib.Path) -> None:
    # What the loop needs for files is there from the first one on.
    assert await Path(root).exists()
    before = len(os.listdir("/proc/self/fd"))
    async with Path(root).glob("**/*") as found:
        async for path in found:
            assert await path.exists() or await path.is_symlink()
            break
    assert [path async for path in found] == []
    assert len(os.listdir("/proc/self/fd")) == before


CHANGES: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    *[("mkdir", name, ()) for name in ("new", "file", "directory", "missing/new")],
    *[("mkdir", "a/b", (0o700, parents, ok)) for parents in (True, False) for ok in (True, False)],
    *[("mkdir", name, (0o777, False, True)) for name in ("file", "directory", "to_directory")],
    *[("touch", name, args) for name in ("new", "file") for args in ((), (0o600, False))],
    *[("rename", "file", (target,)) for target in ("new", "empty", "directory", "missing/new")],
    *[("replace", "directory", (target,)) for target in ("hollow", "file", "new")],
    *[("unlink", name, args) for name in ("file", "missing", "broken") for args in ((), (True,))],
    *[("unlink", name, (True,)) for name in ("directory", "file/below")],
    *[("rmdir", name, ()) for name in ("hollow", "directory", "file", "missing")],
    *[("symlink_to", name, ("file",)) for name in ("new", "empty", "missing/new")],
    *[("symlink_to", "new", ("directory", True)), ("symlink_to", "new", (b"file",))],
    *[("hardlink_to", name, ("file",)) for name in ("new", "empty")],
    *[("hardlink_to", "new", (target,)) for target in ("missing", "directory", "to_file")],
    *[("chmod", name, (0o600,)) for name in ("file", "to_file", "missing")],
    *[("lchmod", name, (0o600,)) for name in ("file", "to_file")],
)


@pytest.mark.parametrize("change", sorted({change for change, _, _ in CHANGES}))
async def test_changes_do_what_those_of_pathlib_do(
    loop: asyncio.AbstractEventLoop,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    calls = [(name, args) for other, name, args in CHANGES if other == change]
    for number, (name, args) in enumerate(calls):
        ours, theirs = (make_tree(tmp_path / f"{side}{number}") for side in ("ours", "theirs"))
        monkeypatch.chdir(ours)
        outcome = await awaited(getattr(Path(name), change), *args)
        monkeypatch.chdir(theirs)
        assert outcome == blocking(getattr(pathlib.Path(name), change), *args), (name, args)
        assert tree(ours) == tree(theirs), (name, args)


async def test_changes_take_our_own_paths(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    path = Path(root)
    assert await (path / "file").rename(path / "a") == path / "a"
    assert await (path / "a").replace(path / "b") == root / "b"
    await (path / "link").symlink_to(path / "b")
    await (path / "again").hardlink_to(path / "b")
    assert await (path / "again").samefile(path / "link")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="pathlib has it from Python 3.14 on")
async def test_copies_and_moves_are_those_of_pathlib(
    loop: asyncio.AbstractEventLoop, root: pathlib.Path
) -> None:
    path: Any = Path(root)
    assert path.info.exists()
    assert await (path / "file").copy(path / "copied") == path / "copied"
    assert await (path / "directory").copy_into(path / "hollow") == path / "hollow" / "directory"
    assert await (path / "copied").move(path / "moved") == path / "moved"
    assert await (path / "moved").move_into(path / "hollow") == path / "hollow" / "moved"
    assert sorted(os.listdir(root / "hollow")) == ["directory", "moved"]
    assert (root / "hollow" / "moved").read_bytes() == b"content\n"
    for name in ("copy", "move", "copy_into", "move_into"):
        pair = (root / "missing", root / "hollow")
        ours, theirs = getattr(Path(pair[0]), name), getattr(pair[0], name)
        assert await awaited(ours, pair[1]) == blocking(theirs, pair[1])
