/* SPDX-License-Identifier: MPL-2.0 */
#include "control/sandbox/sandbox_worker.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/sandbox/sandbox_instance.h"
#include "control/sandbox/sandbox_page.h"
#include "control/sandbox/sandbox_seal.h"
#include "control/sandbox/sandbox_spin.h"
#include "control/sandbox/sandbox_watchdog.h"
#include "core/bell.h"
#include "core/clock.h"

#define IDLE_NS (200 * CLOCK_NS_PER_MS)

struct worker {
    struct sandbox_page *page;
    struct sandbox_watchdog *watchdog;
    uint32_t commands; /* received so far */
    bool must_end;
    bool is_used[SANDBOX_WORKER_INSTANCES_MAX];
    struct sandbox_instance instances[SANDBOX_WORKER_INSTANCES_MAX];
};

/* ---- commands ---- */

static void add(struct worker *worker, unsigned index, int take_fd)
{
    struct sandbox_instance *instance = &worker->instances[index];
    if (take_fd < 0 || worker->is_used[index] || sandbox_instance_open(instance, take_fd) != 0) {
        if (take_fd >= 0 && worker->is_used[index])
            close(take_fd);
        return; /* hekad waits for a state, and gives up */
    }
    worker->is_used[index] = true;
    sandbox_watchdog_begin(worker->watchdog, index, NULL);
    sandbox_instance_load(instance);
    sandbox_watchdog_end(worker->watchdog);
}

static void forget(struct worker *worker, unsigned index)
{
    if (!worker->is_used[index])
        return;
    struct sandbox_instance *instance = &worker->instances[index];
    sandbox_watchdog_free_engine(worker->watchdog, sandbox_instance_take_engine(instance));
    sandbox_instance_close(instance);
    worker->is_used[index] = false;
}

/* The descriptor that came with a packet, or -1. */
static int descriptor_of(struct msghdr *packet)
{
    const struct cmsghdr *part = CMSG_FIRSTHDR(packet);
    int fd = -1;
    if (part != NULL && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS &&
        part->cmsg_len == CMSG_LEN(sizeof(fd)))
        memcpy(&fd, CMSG_DATA(part), sizeof(fd));
    return fd;
}

/* False: there is no more. */
static bool receive(struct worker *worker)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } parts;
    struct sandbox_command command;
    struct iovec part = {&command, sizeof(command)};
    struct msghdr packet = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &parts,
        .msg_controllen = sizeof(parts),
    };
    ssize_t size = recvmsg(SANDBOX_SOCKET_FD, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    int fd = size > 0 ? descriptor_of(&packet) : -1;
    worker->commands++;
    if (size != (ssize_t)sizeof(command) || command.kind == SANDBOX_COMMAND_END ||
        command.index >= SANDBOX_WORKER_INSTANCES_MAX)
        worker->must_end = true;
    else if (command.kind == SANDBOX_COMMAND_ADD)
        add(worker, command.index, fd);
    else if (command.kind == SANDBOX_COMMAND_REMOVE)
        forget(worker, command.index);
    return !worker->must_end;
}

/* ---- the loop ---- */

static unsigned take_turns(struct worker *worker)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SANDBOX_WORKER_INSTANCES_MAX; i++) {
        struct sandbox_instance *instance = &worker->instances[i];
        if (!worker->is_used[i] || instance->is_over)
            continue;
        sandbox_watchdog_begin(worker->watchdog, i, instance->sandbox);
        count += sandbox_instance_turn(instance);
        sandbox_watchdog_end(worker->watchdog);
    }
    return count;
}

static void loop(struct worker *worker)
{
    struct sandbox_page *page = worker->page;
    struct sandbox_spin spin = {0};
    bool has_slept = false;
    while (!worker->must_end) {
        uint32_t seen = atomic_load_explicit(&page->bell, memory_order_acquire);
        if (has_slept ||
            atomic_load_explicit(&page->commands, memory_order_acquire) != worker->commands)
            while (receive(worker))
                ;
        has_slept = false;
        if (take_turns(worker) > 0 || worker->must_end || sandbox_spin(&spin, &page->bell, seen))
            continue;
        bell_wait_shared(&page->bell, &page->waits, seen, IDLE_NS);
        has_slept = true;
    }
    for (unsigned i = 0; i < SANDBOX_WORKER_INSTANCES_MAX; i++)
        forget(worker, i);
}

static struct sandbox_page *map_page(struct err *err)
{
    struct sandbox_page *page =
        mmap(NULL, SANDBOX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, SANDBOX_PAGE_FD, 0);
    if (page != MAP_FAILED && page->magic == SANDBOX_PAGE_MAGIC &&
        page->worker_class < SANDBOX_CLASS_COUNT)
        return page;
    err_add(err, "only hekad starts this program");
    return NULL;
}

static bool may_io(const struct sandbox_page *page)
{
    return page->worker_class == SANDBOX_CLASS_IO || page->worker_class == SANDBOX_CLASS_INPUT;
}

int sandbox_worker_open(struct sandbox_page **out, struct err *err)
{
    struct sandbox_page *page = map_page(err);
    *out = page;
    if (page == NULL)
        return EXIT_FAILURE;
    return sandbox_seal_process(may_io(page), err) == 0 ? 0 : SANDBOX_EXIT_SEAL;
}

int sandbox_worker_run(struct sandbox_page *page, struct err *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return EXIT_FAILURE;
    worker->page = page;
    worker->watchdog = sandbox_watchdog_new(page, err);
    if (worker->watchdog == NULL)
        return EXIT_FAILURE;
    if (!may_io(page) && sandbox_seal_calls(page->worker_class == SANDBOX_CLASS_JIT, err) != 0)
        return SANDBOX_EXIT_SEAL;
    atomic_store_explicit(&page->state, SANDBOX_WORKER_SEALED, memory_order_release);
    loop(worker);
    return EXIT_SUCCESS; /* the process ends: its memory with it */
}
