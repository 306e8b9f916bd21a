/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bell.h"
#include "core/clock.h"

enum { SPARE_FD = 10, ENVIRONMENT_MAX = 8, EXIT_NO_PROGRAM = 127 };

void sandbox_process_init(struct sandbox_process *process)
{
    *process = (struct sandbox_process){.pidfd = -1, .socket = -1, .page_fd = -1};
}

/* ---- start ---- */

static int make_page(struct sandbox_process *process, struct err *err)
{
    if (process->page != NULL)
        return 0;
    process->page_fd = memfd_create("heka-sandbox-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (process->page_fd < 0 || ftruncate(process->page_fd, SANDBOX_PAGE_BYTES) != 0 ||
        fcntl(process->page_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return err_add(err, "sandbox worker: shared page: %s", strerror(errno));
    void *page =
        mmap(NULL, SANDBOX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, process->page_fd, 0);
    if (page == MAP_FAILED)
        return err_add(err, "sandbox worker: shared page: %s", strerror(errno));
    process->page = page;
    return 0;
}

static void reset_page(struct sandbox_page *page, enum sandbox_class class)
{
    page->magic = SANDBOX_PAGE_MAGIC;
    page->worker_class = (uint32_t) class;
    atomic_store_explicit(&page->commands, 0, memory_order_relaxed);
    atomic_store_explicit(&page->waits, 0, memory_order_relaxed);
    atomic_store_explicit(&page->running, 0, memory_order_relaxed);
    atomic_store_explicit(&page->state, SANDBOX_WORKER_STARTING, memory_order_relaxed);
    atomic_store_explicit(&page->heartbeat_ns, clock_mono_ns(), memory_order_release);
}

/* Of ours only what sanitizers read. */
static void make_environment(char *environment[ENVIRONMENT_MAX])
{
    static char utc[] = "TZ=UTC";
    static const char *const passed[] = {
        "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS="};
    extern char **environ;
    unsigned n = 0;
    environment[n++] = utc;
    for (unsigned i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
        for (char **at = environ; *at != NULL; at++)
            if (strncmp(*at, passed[i], strlen(passed[i])) == 0 && n + 1 < ENVIRONMENT_MAX)
                environment[n++] = *at;
    environment[n] = NULL;
}

/* In the child, between fork and exec: only what is safe there. */
static void become(const char *program, const struct sandbox_process *process, int socket,
                   char *environment[], pid_t parent)
{
    char worker[] = "--worker", name[] = "heka-sandbox";
    char *arguments[] = {name, worker, NULL};
    sigset_t none;
    sigemptyset(&none);
    int spare_socket = fcntl(socket, F_DUPFD, SPARE_FD);
    int spare_page = fcntl(process->page_fd, F_DUPFD, SPARE_FD);
    if (dup2(spare_socket, SANDBOX_SOCKET_FD) < 0 || dup2(spare_page, SANDBOX_PAGE_FD) < 0)
        _exit(EXIT_NO_PROGRAM);
    syscall(SYS_close_range, SANDBOX_PAGE_FD + 1, ~0U, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_NO_PROGRAM);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(program, arguments, environment);
    _exit(EXIT_NO_PROGRAM);
}

int sandbox_process_start(struct sandbox_process *process, const char *program,
                          enum sandbox_class class, const cpu_set_t *cpus, struct err *err)
{
    char *environment[ENVIRONMENT_MAX];
    int sockets[2];
    if (access(program, X_OK) != 0)
        return err_add(err, "%s: cannot be run: %s", program, strerror(errno));
    if (make_page(process, err) != 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return err_add(err, "sandbox worker: socketpair: %s", strerror(errno));
    reset_page(process->page, class);
    make_environment(environment);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        if (cpus != NULL)
            sched_setaffinity(0, sizeof(*cpus), cpus); /* hekad has tried that it can */
        become(program, process, sockets[1], environment, parent);
    }
    close(sockets[1]);
    if (pid < 0) {
        close(sockets[0]);
        return err_add(err, "%s: cannot be started: %s", program, strerror(errno));
    }
    process->pid = pid;
    process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    process->socket = sockets[0];
    return 0;
}

/* ---- commands ---- */

int sandbox_process_send(struct sandbox_process *process, enum sandbox_command_kind kind,
                         unsigned index, int fd)
{
    struct sandbox_command command = {(uint32_t)kind, index};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } parts = {.bytes = {0}};
    struct iovec part = {&command, sizeof(command)};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (process->socket < 0)
        return -ENOTCONN;
    if (fd >= 0) {
        packet.msg_control = &parts;
        packet.msg_controllen = sizeof(parts);
        parts.head.cmsg_level = SOL_SOCKET;
        parts.head.cmsg_type = SCM_RIGHTS;
        parts.head.cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(&parts.head), &fd, sizeof(fd));
    }
    if (sendmsg(process->socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return -errno;
    struct sandbox_page *page = process->page;
    atomic_fetch_add_explicit(&page->commands, 1, memory_order_release);
    bell_ring_shared(&page->bell, &page->waits);
    return 0;
}

/* ---- the end ---- */

void sandbox_process_kill(struct sandbox_process *process)
{
    if (process->pid == 0)
        return;
    if (process->pidfd < 0 || syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0) != 0)
        kill(process->pid, SIGKILL);
}

/* SIGKILL comes from outside: from an operator, or because memory is out. */
static void note_end(struct sandbox_process *process, int status)
{
    char *text = process->end_text;
    process->was_fault = false;
    if (WIFSIGNALED(status)) {
        process->was_fault = WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM;
        snprintf(text, SANDBOX_END_TEXT_SIZE, "signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status) == SANDBOX_EXIT_STUCK) {
        process->was_fault = true;
        snprintf(text, SANDBOX_END_TEXT_SIZE, "a call that could not be stopped");
    } else {
        process->was_fault = WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != SANDBOX_EXIT_SEAL;
        snprintf(text, SANDBOX_END_TEXT_SIZE, "exit status %d", WEXITSTATUS(status));
    }
}

static void forget(struct sandbox_process *process, int status)
{
    note_end(process, status);
    if (process->pidfd >= 0)
        close(process->pidfd);
    close(process->socket);
    process->pid = 0;
    process->pidfd = process->socket = -1;
}

bool sandbox_process_has_ended(struct sandbox_process *process)
{
    int status = 0;
    if (process->pid == 0 || waitpid(process->pid, &status, WNOHANG) != process->pid)
        return false;
    forget(process, status);
    return true;
}

void sandbox_process_reap(struct sandbox_process *process)
{
    int status = 0;
    if (process->pid == 0)
        return;
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        ;
    forget(process, status);
}

void sandbox_process_fini(struct sandbox_process *process)
{
    if (process->page != NULL)
        munmap(process->page, SANDBOX_PAGE_BYTES);
    if (process->page_fd >= 0)
        close(process->page_fd);
    sandbox_process_init(process);
}
