"""Names in the file system: made, moved, asked about and removed."""

import asyncio
import os
import sys

from aiofiles import open as open_file
from aiofiles import os as aios
from aiofiles.os import wrap


async def main(folder: str) -> None:
    place = os.path.join(folder, "one", "two")
    await aios.makedirs(place)
    path = os.path.join(place, "file")
    async with open_file(path, "wb") as file:
        await file.write(b"content")
    print((await aios.stat(path)).st_size, await aios.path.getsize(path))
    await aios.rename(path, path + "2")
    await aios.symlink("file2", path)
    print(
        await aios.readlink(path),
        await aios.path.islink(path),
        await aios.path.samefile(path, path + "2"),
    )
    await aios.link(path + "2", path + "3")
    print(sorted(await aios.listdir(place)))
    with await aios.scandir(place) as entries:
        print(sorted((entry.name, entry.is_symlink()) for entry in entries))
    print(
        await aios.access(path, os.R_OK),
        await aios.path.isdir(place),
        (await aios.statvfs(place)).f_namemax > 0,
    )
    for name in ("file", "file2", "file3"):
        await aios.remove(os.path.join(place, name))
    await wrap(os.chmod)(place, 0o700)
    await aios.removedirs(place)
    print(await aios.path.exists(os.path.dirname(place)))
    try:
        await aios.rmdir(place)
    except FileNotFoundError as error:
        print(error.strerror)


with open(os.path.join(sys.argv[1], "stays"), "w"):
    asyncio.run(main(sys.argv[1]))
