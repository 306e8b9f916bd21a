/* SPDX-License-Identifier: MPL-2.0
 *
 * flood.c - numbered lines and statsd samples by UDP, as fast as a data plane takes them.
 *
 * Place:   tests/system/test_changes.py, in the namespace of the senders.
 * Threads: one.
 * Failure: a socket that cannot be made exits 1. What was sent is printed as one line of JSON when
 *          SIGTERM or the last line ends it.
 *
 *     flood RUN_DIR ADDRESS TEXT_PORT STATSD_PORT LINES_MAX
 *
 * It reads the data plane's segment as hekad does, has no more datagrams under way than the port's
 * ring holds, and does not send while a lane is half full: so nothing is lost but by a data plane
 * that dies, and that is WINDOW at most for each of them. Line n is "line n"; with each goes
 * "requests:3|c" and a timer, unless STATSD_PORT is 0.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/segment.h"

enum {
    WINDOW = 256, /* datagrams: a quarter of af_packet's ring */
    BURST = 32,
    TEXT_SIZE = 64,
    NUMBER_BASE = 10,
    NAP_NS = 50000,
    LOOK_NS = 2000000
};

static volatile sig_atomic_t is_over;

struct flood {
    const char *run_dir;
    struct segment segment;
    bool is_attached;
    int text_fd, statsd_fd; /* the second may be -1 */
    uint64_t lines, lines_max;
    uint64_t sent, base; /* datagrams; sent before this data plane came */
    uint64_t planes;
};

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static void nap(long ns)
{
    const struct timespec pause = {0, ns};
    nanosleep(&pause, NULL);
}

static int open_socket(const char *address, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    to.sin_port = htons((uint16_t)strtoul(port, NULL, NUMBER_BASE));
    if (to.sin_port == 0)
        return -1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        fprintf(stderr, "%s:%s: %s\n", address, port, strerror(errno));
        exit(1);
    }
    return fd;
}

/* ---- the data plane ---- */

static uint64_t taken(const struct flood *flood)
{
    struct counters counters;
    segment_counters(&flood->segment, &counters);
    return counters.values[COUNTER_DATAGRAMS_TEXT] + counters.values[COUNTER_DATAGRAMS_STATSD];
}

/* The segment of another data plane than the last one. */
static void attach(struct flood *flood)
{
    struct segment found;
    if (segment_attach(flood->run_dir, &found, NULL) != 0)
        return;
    bool is_new = !flood->is_attached || found.header->pid != flood->segment.header->pid;
    uint32_t state = atomic_load_explicit(&found.header->state, memory_order_acquire);
    if (!is_new || state != SEGMENT_RUNNING) {
        segment_detach(&found);
        return;
    }
    if (flood->is_attached)
        segment_detach(&flood->segment);
    flood->segment = found;
    flood->is_attached = true;
    flood->base = flood->sent - taken(flood);
    flood->planes++;
}

static bool is_lane_full(const struct segment *segment, unsigned lane)
{
    uint64_t head = atomic_load_explicit(&segment->lanes[lane]->head, memory_order_relaxed);
    for (unsigned i = 0; i < segment->header->consumer_count; i++) {
        const struct segment_consumer *consumer = segment_consumer(segment, lane, i);
        const struct lane_cursor *cursor = segment_cursor(segment, lane, i);
        uint64_t admitted = atomic_load_explicit(&consumer->admitted, memory_order_relaxed);
        uint64_t begun = atomic_load_explicit(&cursor->admitted, memory_order_relaxed);
        uint64_t tail = atomic_load_explicit(&cursor->tail, memory_order_relaxed);
        if (admitted == 0 || lane_bounds_end(&consumer->bounds) < head)
            continue; /* it is not there, or goes */
        if (begun != admitted)
            tail = lane_bounds_floor(&consumer->bounds).position;
        if (head > tail && head - tail > segment->header->lane_bytes / 2)
            return true;
    }
    return false;
}

static bool has_room(const struct flood *flood)
{
    if (!flood->is_attached || flood->sent + 2 * BURST > flood->base + taken(flood) + WINDOW)
        return false;
    for (unsigned lane = 0; lane < flood->segment.header->lane_count; lane++)
        if (is_lane_full(&flood->segment, lane))
            return false;
    return true;
}

/* ---- sending ---- */

static unsigned send_all(int fd, struct mmsghdr *messages, unsigned count)
{
    unsigned done = 0;
    while (done < count && !is_over) {
        int rc = sendmmsg(fd, messages + done, count - done, 0);
        if (rc > 0)
            done += (unsigned)rc;
        else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
            return done;
    }
    return done;
}

static void send_burst(struct flood *flood)
{
    static char sample[] = "requests:3|c\nrequests.time:7|ms";
    char texts[BURST][TEXT_SIZE];
    struct iovec text_parts[BURST], sample_part = {sample, sizeof(sample) - 1};
    struct mmsghdr lines[BURST], samples[BURST];
    unsigned count = BURST;
    if (flood->lines_max - flood->lines < count)
        count = (unsigned)(flood->lines_max - flood->lines);
    memset(lines, 0, sizeof(lines));
    memset(samples, 0, sizeof(samples));
    for (unsigned i = 0; i < count; i++) {
        int len = snprintf(texts[i], TEXT_SIZE, "line %llu", (unsigned long long)flood->lines + i);
        text_parts[i] = (struct iovec){texts[i], (size_t)len};
        lines[i].msg_hdr = (struct msghdr){.msg_iov = &text_parts[i], .msg_iovlen = 1};
        samples[i].msg_hdr = (struct msghdr){.msg_iov = &sample_part, .msg_iovlen = 1};
    }
    unsigned done = send_all(flood->text_fd, lines, count);
    flood->lines += done;
    flood->sent += done;
    /* As many samples as lines: the second loop must not end early. */
    for (unsigned more = 0; flood->statsd_fd >= 0 && more < done;) {
        int rc = sendmmsg(flood->statsd_fd, samples + more, done - more, 0);
        if (rc > 0) {
            more += (unsigned)rc;
            flood->sent += (unsigned)rc;
        } else {
            nap(NAP_NS);
        }
    }
}

static void run(struct flood *flood)
{
    unsigned idle = 0;
    while (!is_over && flood->lines < flood->lines_max) {
        if (has_room(flood)) {
            send_burst(flood);
            idle = 0;
            continue;
        }
        if (idle++ % (LOOK_NS / NAP_NS) == 0)
            attach(flood);
        nap(NAP_NS);
    }
}

int main(int argc, char **argv)
{
    struct flood flood = {.lines_max = UINT64_MAX};
    struct timespec from, to;
    if (argc != 6) {
        fprintf(stderr, "flood RUN_DIR ADDRESS TEXT_PORT STATSD_PORT LINES_MAX\n");
        return 2;
    }
    flood.run_dir = argv[1];
    flood.text_fd = open_socket(argv[2], argv[3]);
    flood.statsd_fd = open_socket(argv[2], argv[4]);
    flood.lines_max = strtoull(argv[5], NULL, NUMBER_BASE);
    signal(SIGTERM, on_signal);
    clock_gettime(CLOCK_MONOTONIC, &from);
    run(&flood);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("{\"lines\": %llu, \"datagrams\": %llu, \"planes\": %llu, \"window\": %d, "
           "\"rate\": %.0f}\n",
           (unsigned long long)flood.lines, (unsigned long long)flood.sent,
           (unsigned long long)flood.planes, WINDOW, (double)flood.sent / seconds);
    return 0;
}
