/* SPDX-License-Identifier: MPL-2.0
 *
 * fake_dataplane.c - a data plane without ports: fills a lane with numbered messages, or
 * misbehaves.
 *
 * Place:   test_daemon.c starts it as hekad's data plane. FAKE_PLANE in the environment, words of:
 *          "crash"   kills itself after half of the messages, once for each run directory
 *          "refuse"  exits with 1 at once
 *          "survive" does not end with its parent
 *          "total=N" messages over all its lives in this run directory; default 1000
 * Numbers go on where the last life ended: what is written to RUN_DIR/next was published.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/conf.h"
#include "core/message.h"
#include "core/segment.h"

enum { LANES = 2, DRAIN_S = 3, BYTES_MAX = 512 };

static volatile sig_atomic_t stop_asked;
static struct segment segment;
static struct lane_writer writer;
static struct counters counters;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stop_asked = 1;
}

static bool mode_has(const char *word)
{
    const char *mode = getenv("FAKE_PLANE");
    return mode != NULL && strstr(mode, word) != NULL;
}

static long total(void)
{
    const char *mode = getenv("FAKE_PLANE"), *at = mode != NULL ? strstr(mode, "total=") : NULL;
    return at != NULL ? strtol(at + 6, NULL, 10) : 1000;
}

static const char *option(char **argv, const char *name)
{
    for (; *argv != NULL; argv++)
        if (strcmp(*argv, name) == 0)
            return argv[1];
    fprintf(stderr, "fake_dataplane: no %s\n", name);
    exit(1);
}

static long read_next(const char *path)
{
    char text[32] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    fclose(file);
    return strtol(text, NULL, 10);
}

static void write_next(int fd, long next)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld\n", next);
    if (pwrite(fd, text, (size_t)len, 0) != len)
        abort();
}

static void make_segment(const char *run_dir, const char *plan)
{
    struct err err = {0};
    struct conf_doc *doc = NULL;
    if (json_load(plan, &doc, &err) != 0)
        goto fail;
    const struct conf_node *consumers = conf_get(conf_root(doc), "consumers");
    struct segment_config config = {
        .dir = run_dir,
        .lane_count = LANES,
        .consumer_count = consumers->count,
        .lane_bytes = LANE_BYTES_MIN,
        .generation = 1,
        .group = (gid_t)-1,
    };
    conf_doc_free(doc);
    if (segment_create(&config, &segment, &err) != 0)
        goto fail;
    for (unsigned i = 0; i < LANES; i++)
        lane_writer_init(&writer, segment.lanes[LANES - 1 - i],
                         segment_cursor(&segment, LANES - 1 - i, 0), config.consumer_count,
                         LANES - 1 - i, LANE_BYTES_MIN);
    for (unsigned i = 0; i < LANES * config.consumer_count; i++)
        atomic_store_explicit(&segment.consumers[i].admitted, 1, memory_order_relaxed);
    return;
fail:
    err_print(&err, stderr);
    exit(1);
}

/* False when the lane is full. */
static bool put(long number)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {9};
    uint8_t bytes[BYTES_MAX];
    char payload[32];
    struct msg_builder builder;
    int len = snprintf(payload, sizeof(payload), "%ld\n", number);
    msg_builder_init(&builder, bytes, sizeof(bytes));
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1000000000);
    msg_builder_payload(&builder, payload, (size_t)len);
    size_t size = (size_t)msg_builder_finish(&builder);
    struct record *record = lane_reserve(&writer, (uint32_t)size);
    if (record == NULL)
        return false;
    record->message_size = (uint32_t)size;
    memset(record->mask, 0xFF, sizeof(record->mask));
    memcpy(record->message, bytes, size);
    lane_commit(&writer, record);
    for (unsigned i = 0; i < segment.header->consumer_count; i++)
        atomic_fetch_add(&segment_consumer(&segment, 0, i)->matched, 1);
    lane_publish(&writer);
    counters.values[COUNTER_MESSAGES_CREATED]++;
    counters.values[COUNTER_MESSAGES_COMMITTED]++;
    counters_publish(&segment.blocks[0], &counters);
    return true;
}

static void nap(void)
{
    struct timespec pause = {0, 200000};
    nanosleep(&pause, NULL);
}

static void run(const char *run_dir)
{
    char path[600], crashed[600];
    snprintf(path, sizeof(path), "%s/next", run_dir);
    snprintf(crashed, sizeof(crashed), "%s/crashed", run_dir);
    long next = read_next(path), end = total();
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (!stop_asked) {
        atomic_store(&segment.header->heartbeat_ns[0], clock_mono_ns());
        atomic_store(&segment.header->heartbeat_ns[1], clock_mono_ns());
        if (next < end && put(next))
            write_next(fd, ++next);
        else
            nap();
        if (next % 50 == 0)
            nap();
        if (mode_has("crash") && next == end / 2 && access(crashed, F_OK) != 0) {
            close(open(crashed, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
            raise(SIGKILL);
        }
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    if (mode_has("refuse"))
        return 1;
    if (mode_has("survive"))
        prctl(PR_SET_PDEATHSIG, 0);
    const char *run_dir = option(argv, "--run-dir");
    signal(SIGTERM, on_stop);
    make_segment(run_dir, option(argv, "--plan"));
    atomic_store_explicit(&segment.header->state, SEGMENT_RUNNING, memory_order_release);
    run(run_dir);
    atomic_store(&segment.header->state, SEGMENT_STOPPING);
    uint64_t until_ns = clock_mono_ns() + DRAIN_S * CLOCK_NS_PER_S;
    while (!lane_drained(&writer) && clock_mono_ns() < until_ns)
        nap();
    atomic_store(&segment.header->state, SEGMENT_STOPPED);
    segment_detach(&segment);
    return 0;
}
