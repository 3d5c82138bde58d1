"""A process that may hold a PIN or a person's data leaves no image of its memory when it crashes."""

import resource

_LIMIT_BYTES = 1
"""Less than a page: no file is written. Exactly 1 also keeps a core_pattern with a pipe from getting it.

Source: Linux fs/coredump.c, which ignores a limit of 0 for pipes.
"""


def no_core_dump() -> None:
    """Lower this process's limit, and that of its children, for good."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = _LIMIT_BYTES if hard == resource.RLIM_INFINITY else min(_LIMIT_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
