"""Sets a file's mode back to 0600 whenever it changes: what drift's repair costs at least. Prints a line when it watches."""
import ctypes
import os
import sys

IN_ATTRIB = 4
libc = ctypes.CDLL(None, use_errno=True)
path = os.fsencode(sys.argv[1])
watch = libc.inotify_init1(0)
if watch < 0 or libc.inotify_add_watch(watch, path, IN_ATTRIB) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("watching", flush=True)
while os.read(watch, 4096):
    if os.stat(path).st_mode & 0o777 != 0o600:
        os.chmod(path, 0o600)
