/* SPDX-License-Identifier: MPL-2.0
 *
 * fake_sandbox.c - a worker that somebody has taken over: it answers as its plugin's name says.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/sandbox/sandbox_blob.h"
#include "control/sandbox/sandbox_channel.h"
#include "control/sandbox/sandbox_page.h"
#include "core/bell.h"
#include "core/clock.h"

enum { GARBAGE_BYTES = 4096, TURN_NS = 100000, ADDS_MAX = 64 };

struct fake {
    struct sandbox_page *page;
    struct sandbox_channel channel;
    const char *name;
    uint64_t random;
};

static uint64_t next_random(struct fake *fake)
{
    fake->random = fake->random * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return fake->random >> 16;
}

static bool is(const struct fake *fake, const char *name)
{
    return strncmp(fake->name, name, strlen(name)) == 0;
}

static void reply(struct fake *fake, uint16_t type, uint32_t number, uint64_t value,
                  const char *text)
{
    const struct sandbox_frame frame = {.type = type, .code = number, .value = value};
    sandbox_ring_write(&fake->channel.replies, &frame, text, strlen(text));
}

static void write_garbage(struct fake *fake)
{
    struct sandbox_positions *positions = &fake->channel.header->replies;
    for (unsigned i = 0; i < GARBAGE_BYTES; i++)
        fake->channel.reply_bytes[i] = (uint8_t)next_random(fake);
    /* Sometimes the beginning makes sense. */
    struct sandbox_frame frame = {.size_bytes = 32 + 8 * (uint32_t)(next_random(fake) % 16),
                                  .type = (uint16_t)(next_random(fake) % 9),
                                  .code = (uint32_t)(next_random(fake) % 3),
                                  .body_size = (uint32_t)(next_random(fake) % 16),
                                  .value = next_random(fake)};
    memcpy(fake->channel.reply_bytes, &frame, sizeof(frame));
    atomic_store(&positions->head, next_random(fake) % 3 == 0 ? next_random(fake)
                                                             : GARBAGE_BYTES);
}

static void misbehave(struct fake *fake, uint32_t number)
{
    if (is(fake, "garbage"))
        write_garbage(fake);
    for (unsigned i = 0; is(fake, "many") && i < 100; i++)
        reply(fake, SANDBOX_REPLY_INJECT, number, 0, "no message");
    if (is(fake, "number"))
        reply(fake, SANDBOX_REPLY_INJECT, number + 1000000, 0, "x");
    if (is(fake, "state"))
        reply(fake, SANDBOX_REPLY_PRESERVED, number, UINT64_MAX, "");
    if (is(fake, "type"))
        reply(fake, 77, number, 0, "");
    if (is(fake, "tail"))
        atomic_store(&fake->channel.header->requests.tail, UINT64_MAX);
    if (is(fake, "crash"))
        abort();
    if (is(fake, "failed")) /* again and again */
        for (unsigned i = 0; i < 3; i++)
            reply(fake, SANDBOX_REPLY_FAILED, number, 0, "no");
}

static void serve(struct fake *fake)
{
    struct sandbox_frame frame;
    const void *body;
    while (sandbox_ring_read(&fake->channel.requests, &frame, &body) > 0) {
        atomic_store(&fake->page->running, 1);
        misbehave(fake, frame.code);
        if (!is(fake, "tail"))
            sandbox_ring_release(&fake->channel.requests, &frame);
        atomic_store(&fake->page->running, 0);
    }
    bell_ring_shared(&fake->channel.header->reply_bell, &fake->channel.header->hekad_waits);
}

static int receive(void)
{
    char bytes[CMSG_SPACE(sizeof(int))];
    struct sandbox_command command = {0};
    struct iovec part = {&command, sizeof(command)};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = bytes,
                            .msg_controllen = sizeof(bytes)};
    int fd = -1;
    if (recvmsg(SANDBOX_SOCKET_FD, &packet, MSG_DONTWAIT) < 0)
        return -1;
    if (command.kind != SANDBOX_COMMAND_ADD)
        _exit(0);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&packet)), sizeof(fd));
    return fd;
}

int main(void)
{
    struct fake fake = {.channel = {.fd = -1}};
    fake.page = mmap(NULL, SANDBOX_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, SANDBOX_PAGE_FD,
                     0);
    if (fake.page == MAP_FAILED)
        return 1;
    for (;;) {
        int fd = receive();
        atomic_store(&fake.page->heartbeat_ns, clock_mono_ns());
        if (fd >= 0 && sandbox_channel_open(&fake.channel, fd) == 0) {
            fake.name = sandbox_blob_text(fake.channel.blob, fake.channel.blob_bytes, "name");
            fake.random = strtoull(fake.name + strcspn(fake.name, "0123456789"), NULL, 10);
            memset(fake.channel.header->text, 'n', sizeof(fake.channel.header->text));
            atomic_store(&fake.channel.header->state,
                         is(&fake, "refuse") ? SANDBOX_STATE_FAILED : SANDBOX_STATE_READY);
        }
        if (fake.channel.fd >= 0)
            serve(&fake);
        nanosleep(&(struct timespec){0, TURN_NS}, NULL);
    }
}
