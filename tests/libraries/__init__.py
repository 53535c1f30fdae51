"""The promises of aiofile and aiofiles, kept by the packages themselves and by the modules of ours with their names."""
