/* SPDX-License-Identifier: MPL-2.0
 *
 * file_polling_input.c - FilePollingInput: the contents of a file, again and again.
 *
 * Place:   builtin_inputs.
 * Threads: the host's.
 * Memory:  a stream (input_stream.h).
 * Failure: a file that cannot be read is counted and in the log; the next tick tries again.
 *          Records: the stage `text`.
 * Source:  Heka 0.11 FilePollingInput: Type heka.file.polling, fields TickerInterval and FilePath.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control/plugins/input_stream.h"
#include "control/inputs/inputs.h"
#include "control/trouble.h"
#include "core/clock.h"

enum { READS, READ_ERRORS, BYTES };
static const struct input_counter counters[] = {
    [READS] = {"reads", "times that the file was read"},
    [READ_ERRORS] = {"read_errors", "times that this failed"},
    [BYTES] = {"bytes", "bytes read"},
    {NULL, NULL},
};

struct polling_options {
    const char *file_path;
    int64_t ticker_interval; /* s */
};

#define POLLING(member) .key = #member, .offset = offsetof(struct polling_options, member)
static const struct schema_key keys[] = {
    {POLLING(file_path), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "File that is read."},
    {POLLING(ticker_interval), .type = SCHEMA_INT, .min = 1, .max = UINT32_MAX, .def = "5",
     .unit = "s", .help = "Time between two reads; the first is after it, too."},
    {0},
};
static const struct schema schema = {"FilePollingInput", keys};

struct polling_state {
    struct input_host *host;
    const struct polling_options *options;
    struct input_stream *records;
    struct trouble trouble;
};

static int check(const void *config, struct err *err)
{
    const struct polling_options *options = config;
    if (options->file_path != NULL && options->file_path[0] == '\0')
        return err_add(err, "file_path: found \"\", allowed a path");
    return 0;
}

static void decorate(void *arg, struct msg_builder *builder, struct msg_slice payload)
{
    const struct polling_state *polling = arg;
    const char *name = input_host_name(polling->host);
    const char *hostname = input_host_hostname(polling->host);
    const char *path = polling->options->file_path;
    msg_builder_type(builder, "heka.file.polling", strlen("heka.file.polling"));
    msg_builder_logger(builder, name, strlen(name));
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_hostname(builder, hostname, strlen(hostname));
    msg_builder_field_integer(builder, "TickerInterval", polling->options->ticker_interval, "");
    msg_builder_field_string(builder, "FilePath", path, strlen(path), "");
}

static int init(void *memory, const void *config, struct input_host *host, struct err *err)
{
    struct polling_state *polling = memory;
    polling->host = host;
    polling->options = config;
    polling->trouble.name = input_host_name(host);
    polling->records = input_host_stream(host, err);
    if (polling->records == NULL)
        return -1;
    input_stream_set_decorator(polling->records, decorate, polling);
    return 0;
}

/* To its end. 0, -ECANCELED, or another negative errno of reading. */
static int read_file(struct polling_state *polling, int fd)
{
    for (;;) {
        size_t room;
        char *to = input_stream_room(polling->records, &room);
        if (to == NULL)
            return -ENOMEM;
        ssize_t got = read(fd, to, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        input_host_count(polling->host, BYTES, (uint64_t)got);
        if (input_stream_filled(polling->records, (size_t)got) != 0 ||
            input_host_stopping(polling->host))
            return -ECANCELED;
    }
}

static void say(struct polling_state *polling, const char *what, int rc)
{
    input_host_count(polling->host, READ_ERRORS, 1);
    trouble_say(&polling->trouble, "Error %s file: %s: %s", what, polling->options->file_path,
                strerror(-rc));
}

/* 0 or -ECANCELED. */
static int poll_file(struct polling_state *polling)
{
    int fd = open(polling->options->file_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        say(polling, "opening", -errno);
        return 0;
    }
    int rc = read_file(polling, fd);
    close(fd);
    if (rc == 0) {
        input_host_count(polling->host, READS, 1);
        trouble_end(&polling->trouble);
    } else if (rc != -ECANCELED) {
        say(polling, "reading", rc);
    }
    int end = input_stream_end(polling->records);
    return rc == -ECANCELED || end != 0 ? -ECANCELED : 0;
}

static void run(void *memory)
{
    struct polling_state *polling = memory;
    uint64_t interval_ns = (uint64_t)polling->options->ticker_interval * CLOCK_NS_PER_S;
    uint64_t next_ns = clock_mono_ns() + interval_ns;
    int rc = 0;
    while (rc >= 0) {
        uint64_t now_ns = clock_mono_ns();
        if (now_ns >= next_ns) {
            next_ns = now_ns + interval_ns - (now_ns - next_ns) % interval_ns;
            rc = poll_file(polling);
            continue;
        }
        uint64_t left_ms = (next_ns - now_ns) / CLOCK_NS_PER_MS + 1;
        rc = input_host_wait(polling->host, NULL, 0, left_ms < 1000 ? (int)left_ms : 1000);
    }
}

static void fini(void *memory)
{
    struct polling_state *polling = memory;
    input_stream_free(polling->records);
}

const struct input_ops file_polling_input = {
    .plugin = {PLUGIN_ABI, "FilePollingInput", &schema, sizeof(struct polling_options),
               sizeof(struct polling_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
