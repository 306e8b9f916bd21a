/* SPDX-License-Identifier: MPL-2.0
 *
 * test_sandbox_seal.c - what a sealed process can still do: probes that a script which had taken
 *                       over its worker would try, each in a process of its own.
 */
#include "control/sandbox/sandbox_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { ALLOWED = 0, REFUSED = 10, NOT_SEALED = 20, KILLED = 1000 };

static int answer(long rc)
{
    if (rc >= 0)
        return ALLOWED;
    return errno == EPERM ? REFUSED : REFUSED + 1;
}

#define PROBE(name, call)                                                                          \
    static int name(void)                                                                          \
    {                                                                                              \
        return answer(call);                                                                       \
    }

static char *const no_arguments[] = {NULL};
static long memory(int protection)
{
    void *base = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return base == MAP_FAILED ? -1 : 0;
}

static long change_memory(int protection)
{
    void *base = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return base == MAP_FAILED ? -1 : mprotect(base, 4096, protection);
}

static long sleep_a_while(void)
{
    return nanosleep(&(struct timespec){0, 1000}, NULL);
}

static void *nothing(void *arg)
{
    return arg;
}

static long start_thread(void)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, nothing, NULL);
    errno = rc;
    return rc == 0 ? 0 : -1;
}

/* What a worker needs. */
PROBE(probe_map, memory(PROT_READ | PROT_WRITE))
PROBE(probe_protect, change_memory(PROT_READ))
PROBE(probe_sleep, sleep_a_while())
PROBE(probe_random, syscall(SYS_getrandom, &(char[8]){0}, 8, 0))
PROBE(probe_stderr, write(STDERR_FILENO, "", 0))
PROBE(probe_own_signal, syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0))

/* Files. */
PROBE(probe_open, open("/etc/passwd", O_RDONLY))
#if defined(SYS_open) /* not everywhere */
PROBE(probe_open_old, syscall(SYS_open, "/etc/passwd", O_RDONLY))
#else
#define probe_open_old probe_open
#endif
PROBE(probe_openat2, syscall(SYS_openat2, -100, "/etc/passwd", &(uint64_t[3]){0}, 24))
PROBE(probe_create, open("/tmp/heka-escaped", O_WRONLY | O_CREAT, 0600))
PROBE(probe_stat, access("/etc/passwd", F_OK))
PROBE(probe_unlink, unlink("/tmp/heka-escaped"))
PROBE(probe_rename, rename("/tmp/heka-a", "/tmp/heka-b"))
PROBE(probe_link, symlink("/etc/passwd", "/tmp/heka-escaped"))
PROBE(probe_mkdir, mkdirat(AT_FDCWD, "/tmp/heka-escaped", 0700))
PROBE(probe_chdir, chdir("/"))
PROBE(probe_chroot, chroot("/"))
PROBE(probe_memfd, memfd_create("x", 0))
PROBE(probe_stdout, write(STDOUT_FILENO, "x", 1))
PROBE(probe_read, read(STDIN_FILENO, &(char[1]){0}, 1))
PROBE(probe_splice, syscall(SYS_splice, 0, NULL, 1, NULL, 1, 0))
PROBE(probe_sendfile, syscall(SYS_sendfile, 1, 0, NULL, 1))
PROBE(probe_ioctl, syscall(SYS_ioctl, 0, 0x5412, ""))
PROBE(probe_fcntl, fcntl(0, F_DUPFD, 0))
PROBE(probe_dup, dup(0))
PROBE(probe_pipe, pipe((int[2]){0, 0}))

/* Processes and rights. */
PROBE(probe_clone, start_thread())
PROBE(probe_kill, kill(getppid(), 0))
PROBE(probe_kill_group, kill(0, 0))
PROBE(probe_other_tgkill, syscall(SYS_tgkill, getppid(), getppid(), 0))
PROBE(probe_queue, syscall(SYS_rt_sigqueueinfo, getppid(), 0, NULL))
PROBE(probe_pidfd, syscall(SYS_pidfd_open, getppid(), 0))
PROBE(probe_setuid, setuid(0))
PROBE(probe_setgid, syscall(SYS_setgid, 0))
PROBE(probe_prctl, syscall(SYS_prctl, 4, 1, 0, 0, 0))
PROBE(probe_seccomp, syscall(SYS_seccomp, 1, 0, NULL))
PROBE(probe_limit, syscall(SYS_prlimit64, 0, 7, NULL, NULL))
PROBE(probe_priority, syscall(SYS_setpriority, 0, 0, -20))
PROBE(probe_affinity, syscall(SYS_sched_setaffinity, 0, 8, &(uint64_t){1}))
PROBE(probe_umask, syscall(SYS_umask, 0))
PROBE(probe_keyctl, syscall(SYS_keyctl, 0, 0))
PROBE(probe_perf, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))
PROBE(probe_userfault, syscall(SYS_userfaultfd, 0))
PROBE(probe_personality, syscall(SYS_personality, 0xffffffff))
PROBE(probe_execute_memory, memory(PROT_READ | PROT_EXEC))
PROBE(probe_make_executable, change_memory(PROT_READ | PROT_EXEC))
PROBE(probe_shm, syscall(SYS_shmget, 1, 4096, 0666 | 01000))
PROBE(probe_msg, syscall(SYS_msgget, 1, 0666 | 01000))
PROBE(probe_epoll, syscall(SYS_epoll_create1, 0))
PROBE(probe_inotify, syscall(SYS_inotify_init1, 0))
PROBE(probe_timer, syscall(SYS_timer_create, 0, NULL, &(int){0}))
PROBE(probe_sendto, syscall(SYS_sendto, 3, "x", 1, 0, NULL, 0))
PROBE(probe_accept, syscall(SYS_accept4, 3, NULL, NULL, 0))
PROBE(probe_listen, syscall(SYS_listen, 3, 1))
PROBE(probe_recvmsg, syscall(SYS_recvmsg, 0, NULL, 0))
PROBE(probe_uname, syscall(SYS_uname, (char[400]){0}))
PROBE(probe_time, syscall(SYS_clock_settime, 0, NULL))
PROBE(probe_reboot, syscall(SYS_reboot, 0, 0, 0, NULL))
PROBE(probe_module, syscall(SYS_init_module, NULL, 0, ""))

/* What nothing of ours would try. */
PROBE(probe_exec, execve("/bin/true", no_arguments, no_arguments))
PROBE(probe_execveat, syscall(SYS_execveat, 0, "", no_arguments, no_arguments, 0x1000))
#if defined(SYS_vfork)
PROBE(probe_vfork, syscall(SYS_vfork))
#else
#define probe_vfork probe_exec
#endif
PROBE(probe_ptrace, ptrace(PTRACE_ATTACH, getppid(), NULL, NULL))
PROBE(probe_socket, socket(AF_INET, SOCK_STREAM, 0))
PROBE(probe_unix, socket(AF_UNIX, SOCK_STREAM, 0))
PROBE(probe_connect, syscall(SYS_connect, 3, NULL, 0))
PROBE(probe_bind, syscall(SYS_bind, 3, NULL, 0))
PROBE(probe_bpf, syscall(SYS_bpf, 0, NULL, 0))
PROBE(probe_mount, syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL))
PROBE(probe_unshare, syscall(SYS_unshare, 0x10000000))
PROBE(probe_setns, syscall(SYS_setns, 0, 0))
PROBE(probe_read_process, syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0))
PROBE(probe_write_process, syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0))
PROBE(probe_uring, syscall(SYS_io_uring_setup, 1, NULL))

static const struct {
    const char *name;
    int (*probe)(void);
    int expected;
} probes[] = {
#define ROW(name, expected) {#name, name, expected}
    ROW(probe_map, ALLOWED),           ROW(probe_protect, ALLOWED),
    ROW(probe_sleep, ALLOWED),         ROW(probe_random, ALLOWED),
    ROW(probe_stderr, ALLOWED),        ROW(probe_own_signal, ALLOWED),
    ROW(probe_open, REFUSED),          ROW(probe_open_old, REFUSED),
    ROW(probe_openat2, REFUSED),       ROW(probe_create, REFUSED),
    ROW(probe_stat, REFUSED),          ROW(probe_unlink, REFUSED),
    ROW(probe_rename, REFUSED),        ROW(probe_link, REFUSED),
    ROW(probe_mkdir, REFUSED),         ROW(probe_chdir, REFUSED),
    ROW(probe_chroot, REFUSED),        ROW(probe_memfd, REFUSED),
    ROW(probe_stdout, REFUSED),        ROW(probe_read, REFUSED),
    ROW(probe_splice, REFUSED),        ROW(probe_sendfile, REFUSED),
    ROW(probe_ioctl, REFUSED),         ROW(probe_fcntl, REFUSED),
    ROW(probe_dup, REFUSED),           ROW(probe_pipe, REFUSED),
    ROW(probe_clone, REFUSED),         ROW(probe_kill, REFUSED),
    ROW(probe_kill_group, REFUSED),    ROW(probe_other_tgkill, REFUSED),
    ROW(probe_queue, REFUSED),         ROW(probe_pidfd, REFUSED),
    ROW(probe_setuid, REFUSED),        ROW(probe_setgid, REFUSED),
    ROW(probe_prctl, REFUSED),         ROW(probe_seccomp, REFUSED),
    ROW(probe_limit, REFUSED),         ROW(probe_priority, REFUSED),
    ROW(probe_affinity, REFUSED),      ROW(probe_umask, REFUSED),
    ROW(probe_keyctl, REFUSED),        ROW(probe_perf, REFUSED),
    ROW(probe_userfault, REFUSED),     ROW(probe_personality, REFUSED),
    ROW(probe_execute_memory, REFUSED), ROW(probe_make_executable, REFUSED),
    ROW(probe_shm, REFUSED),           ROW(probe_msg, REFUSED),
    ROW(probe_epoll, REFUSED),         ROW(probe_inotify, REFUSED),
    ROW(probe_timer, REFUSED),         ROW(probe_sendto, REFUSED),
    ROW(probe_accept, REFUSED),        ROW(probe_listen, REFUSED),
    ROW(probe_recvmsg, REFUSED),       ROW(probe_uname, REFUSED),
    ROW(probe_time, REFUSED),          ROW(probe_reboot, REFUSED),
    ROW(probe_module, REFUSED),        ROW(probe_exec, KILLED + SIGSYS),
    ROW(probe_execveat, KILLED + SIGSYS), ROW(probe_vfork, KILLED + SIGSYS),
    ROW(probe_ptrace, KILLED + SIGSYS), ROW(probe_socket, KILLED + SIGSYS),
    ROW(probe_unix, KILLED + SIGSYS),  ROW(probe_connect, KILLED + SIGSYS),
    ROW(probe_bind, KILLED + SIGSYS),  ROW(probe_bpf, KILLED + SIGSYS),
    ROW(probe_mount, KILLED + SIGSYS), ROW(probe_unshare, KILLED + SIGSYS),
    ROW(probe_setns, KILLED + SIGSYS), ROW(probe_read_process, KILLED + SIGSYS),
    ROW(probe_write_process, KILLED + SIGSYS), ROW(probe_uring, KILLED + SIGSYS),
#undef ROW
};

/* In a sealed child: what the probe says, or the signal that ended it. */
static int try_in_child(int (*probe)(void), bool may_compile)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};
        if (sandbox_seal_process(false, &err) != 0 || sandbox_seal_calls(may_compile, &err) != 0)
            _exit(NOT_SEALED);
        _exit(probe());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? KILLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_probes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        int found = try_in_child(probes[i].probe, false);
        if (found != probes[i].expected)
            print_error("%s: %d, expected %d\n", probes[i].name, found, probes[i].expected);
        assert_int_equal(found, probes[i].expected);
    }
}

/* A worker that compiles may have executable memory, and nothing else more. */
static void test_compiling_worker(void **state)
{
    (void)state;
    assert_int_equal(try_in_child(probe_execute_memory, true), ALLOWED);
    assert_int_equal(try_in_child(probe_make_executable, true), ALLOWED);
    assert_int_equal(try_in_child(probe_open, true), REFUSED);
    assert_int_equal(try_in_child(probe_socket, true), KILLED + SIGSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_compiling_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
