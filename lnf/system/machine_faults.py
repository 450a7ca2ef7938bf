"""What a machine refuses, in one line: no space, no permission, a path that cannot be."""

import errno
import os

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit on the size of a file",
    errno.EROFS: "work in a folder that can be written to",
    errno.EACCES: "work in a folder that you may write to",
    errno.EPERM: "work in a folder that you may write to",
    errno.EIO: "look after the disk",
    errno.EMFILE: "raise the limit on open files",
    errno.ENFILE: "close other programs",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "mend the symbolic link",
    errno.ENOTDIR: "move the file of that name away",
    errno.ENOMEM: "leave it more memory",
}


def sentence(problem: OSError) -> str | None:
    """One line that names the file, what the machine said and what helps; None if it is no fault of the machine's."""
    if problem.errno not in REMEDIES:
        return None
    said = os.strerror(problem.errno).lower()
    where = f"{problem.filename}: " if problem.filename else ""
    return f"{where}{said}; {REMEDIES[problem.errno]}, and give the same command again"
