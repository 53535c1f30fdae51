"""`aioxide.files` beside the blocking functions that it stands for."""
