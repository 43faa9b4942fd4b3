# Runs a program under a seccomp filter: under-filter.py ACTION CALLS PROGRAM [ARGUMENT …]. The calls that CALLS names are
# allowed; any other fails with the error ACTION names, or, for `kill`, ends the process: what systemd does for a unit.
import ctypes
import errno
import os
import sys

KILL, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
UNKNOWN = -1

action, calls, *program = sys.argv[1:]
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
otherwise = KILL if action == "kill" else ERRNO | getattr(errno, action)
rules = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(otherwise)))
for name in calls.split():
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    # Newer than this libseccomp: systemd leaves it out, too.
    if number == UNKNOWN:
        continue
    if seccomp.seccomp_rule_add_array(rules, ctypes.c_uint32(ALLOW), number, 0, None):
        sys.exit(f"no rule could be made for {name}")
if seccomp.seccomp_load(rules):
    sys.exit("the filter could not be loaded")
os.execvp(program[0], program)
