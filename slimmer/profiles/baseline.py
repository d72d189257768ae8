"""System calls that a profile allows although no run made them: who needs them, and why no run need show them."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """Some calls, and why they are allowed."""

    text: str
    names: frozenset[str]


def _reason(text: str, names: str) -> Reason:
    return Reason(text, frozenset(names.split()))


BASELINE = (
    # Measured with runc 1.1 as root and as another user, with and without no_new_privs; with what Go's runtime calls
    # when it has several threads, which differs from start to start.
    _reason(
        "the OCI runtime calls these after it has loaded the filter, until it executes the program, for each exec, too",
        "capget capset chdir clone close close_range dup3 epoll_create1 epoll_ctl epoll_pwait eventfd2 execve exit "
        "exit_group faccessat2 fchdir fcntl fstat fstatfs futex getcwd getdents64 geteuid getpid getppid gettid getuid "
        "kill madvise mmap mprotect munmap nanosleep newfstatat open openat openat2 pipe2 prctl pread64 read "
        "readlinkat rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield set_robust_list setgid "
        "setgroups setresgid setresuid setsid setuid sigaltstack tgkill unlinkat write",
    ),
    # Those that want no privilege and reach nothing that is not open already. What else a session calls is above.
    _reason(
        "cntr exec and cntr attach call these until they execute the program, and to wait for it; ioctl for terminals",
        "dup2 ioctl poll ppoll recvmsg rt_sigtimedwait sendmsg umask wait4",
    ),
    _reason(
        "a C library starts a program with these, which of them depends on its version",
        "access arch_prctl brk faccessat getrandom lstat mremap prlimit64 readlink rseq set_tid_address stat statx "
        "uname ugetrlimit",
    ),
    _reason(
        "the clock is asked by these where the vDSO has no answer, as with another clock source (vdso(7))",
        "clock_getres clock_gettime gettimeofday time",
    ),
    _reason("a wait goes on by it after SIGSTOP, or after docker pause (restart_syscall(2))", "restart_syscall"),
    _reason("a message about an error is written by these, and abort(3) raises its signal", "tkill writev"),
)
