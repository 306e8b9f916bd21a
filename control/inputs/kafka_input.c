/* SPDX-License-Identifier: MPL-2.0
 *
 * kafka_input.c - KafkaInput: one partition of a topic of Kafka.
 *
 * Place:   builtin_inputs. The client: control/net/kafka_link.h.
 * Failure: with offset_method "Manual" the place reached is in a file, written when its messages
 *          are in the lane: what is not comes again after a crash. When the brokers no longer have
 *          that place the file is deleted, and the input starts again with the oldest message that
 *          they have. Other errors are counted and logged, and the client goes on.
 * Source:  Heka 0.11 KafkaInput; the file is its own. There an input ended for good when its place
 *          was gone.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/folder.h"
#include "control/plugins/input_stream.h"
#include "control/inputs/inputs.h"
#include "control/net/kafka_link.h"
#include "control/trouble.h"
#include "core/log.h"

enum { TURN_MS = 100, TAKE_MAX = 1024, FOLDER_MODE = 0766, FILE_MODE = 0644 };

enum { RECORDS, FAILURES, TOO_LARGE, BYTES };
static const struct input_counter counters[] = {
    [RECORDS] = {"records", "messages of Kafka"},
    [FAILURES] = {"failures", "errors that the client told of"},
    [TOO_LARGE] = {"too_large", "messages skipped: larger than max_message_size"},
    [BYTES] = {"bytes", "bytes of their values"},
    {NULL, NULL},
};

static const char *const methods[] = {"Manual", "Newest", "Oldest", NULL};
enum { MANUAL, NEWEST, OLDEST };

struct kafka_input_options {
    struct kafka_client_options client;
    const char *topic, *group;
    int64_t partition, default_fetch_size, min_fetch_size, max_message_size, max_wait_time;
    int64_t event_buffer_size;
    int offset_method;
};

#define CLIENT(member) .key = #member, .offset = offsetof(struct kafka_input_options, client.member)
#define KAFKA(member)  .key = #member, .offset = offsetof(struct kafka_input_options, member)
static const struct schema_key keys[] = {
    KAFKA_CLIENT_ROWS(CLIENT),
    {KAFKA(topic), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .help = "Its name."},
    {KAFKA(partition), .type = SCHEMA_INT, .min = 0, .max = INT32_MAX, .def = "0",
     .help = "The partition of the topic."},
    {KAFKA(group), .type = SCHEMA_STRING, .help = "Accepted; nothing is stored at the brokers."},
    {KAFKA(default_fetch_size), .type = SCHEMA_INT, .min = 1, .max = 1000000000, .def = "32768",
     .unit = "bytes", .help = "Asked for in one request."},
    {KAFKA(min_fetch_size), .type = SCHEMA_INT, .min = 1, .max = 100000000, .def = "1",
     .unit = "bytes", .help = "The brokers wait for so many, or for max_wait_time."},
    {KAFKA(max_message_size), .type = SCHEMA_INT, .min = 0, .max = INT32_MAX, .def = "0",
     .unit = "bytes", .help = "Larger messages are skipped; 0: none is."},
    {KAFKA(max_wait_time), .type = SCHEMA_INT, .min = 0, .max = 300000, .def = "250", .unit = "ms",
     .help = "How long the brokers wait for min_fetch_size."},
    {KAFKA(offset_method), .type = SCHEMA_CHOICE, .choices = methods, .def = "Manual",
     .help = "Where to begin: the place reached the last time, the end, or the oldest message."},
    {KAFKA(event_buffer_size), .type = SCHEMA_INT, .min = 1, .max = 10000000, .def = "16",
     .help = "Messages that are fetched ahead."},
    {0},
};
static const struct schema schema = {"KafkaInput", keys};

struct kafka_input_state {
    const struct kafka_input_options *options;
    struct input_host *host;
    struct input_stream *stream;
    struct kafka_reader *reader;
    struct kafka_message message; /* in work */
    struct trouble trouble;
    char path[PATH_MAX];
    int fd; /* of the file, plus 1 */
};

/* ---- options ---- */

static int check(const void *config, struct err *err)
{
    const struct kafka_input_options *options = config;
    int rc = kafka_client_check(&options->client, err);
    const char *topic = options->topic;
    if (topic != NULL &&
        (topic[0] == '\0' || strchr(topic, '/') != NULL || strlen(topic) > KAFKA_TOPIC_LEN_MAX))
        rc = err_add(err, "topic: found '%s', allowed the name of a topic", topic);
    return rc;
}

/* ---- the file ---- */

static int find_path(struct kafka_input_state *kafka, struct err *err)
{
    const char *base_dir = input_host_base_dir(kafka->host);
    char name[NAME_MAX + 1];
    snprintf(name, sizeof(name), "%s", input_host_name(kafka->host));
    for (char *at = name; *at != '\0'; at++)
        if (*at == '/')
            *at = '_';
    int len = snprintf(kafka->path, sizeof(kafka->path), "%s/kafka/%s.%s.%" PRId64 ".offset.bin",
                       base_dir != NULL ? base_dir : ".", name, kafka->options->topic,
                       kafka->options->partition);
    return len > 0 && (size_t)len < sizeof(kafka->path) ? 0 : err_add(err, "base_dir is too long");
}

/* The place where it begins. */
static int read_offset(const struct kafka_input_state *kafka, int64_t *offset, struct err *err)
{
    uint64_t bytes;
    int fd = open(kafka->path, O_RDONLY | O_CLOEXEC);
    *offset = KAFKA_OLDEST;
    if (fd < 0)
        return errno == ENOENT ? 0 : err_add(err, "%s: %s", kafka->path, strerror(errno));
    ssize_t got = read(fd, &bytes, sizeof(bytes));
    close(fd);
    if (got != (ssize_t)sizeof(bytes))
        return err_add(err, "readCheckpoint %s: it does not hold 8 bytes", kafka->path);
    *offset = (int64_t)le64toh(bytes);
    return 0;
}

static int find_offset(struct kafka_input_state *kafka, int64_t *offset, struct err *err)
{
    char folder[PATH_MAX];
    if (kafka->options->offset_method == MANUAL) {
        int rc = folder_of(kafka->path, folder, sizeof(folder));
        if (rc == 0)
            rc = folder_make(folder, FOLDER_MODE);
        return rc == 0 ? read_offset(kafka, offset, err)
                       : err_add(err, "%s: %s", kafka->path, strerror(-rc));
    }
    *offset = kafka->options->offset_method == NEWEST ? KAFKA_NEWEST : KAFKA_OLDEST;
    if (unlink(kafka->path) != 0 && errno != ENOENT)
        return err_add(err, "%s: %s", kafka->path, strerror(errno));
    return 0;
}

static void close_file(struct kafka_input_state *kafka)
{
    if (kafka->fd > 0)
        close(kafka->fd - 1);
    kafka->fd = 0;
}

static int write_offset(struct kafka_input_state *kafka, int64_t offset)
{
    uint64_t bytes = htole64((uint64_t)offset);
    if (kafka->options->offset_method != MANUAL)
        return 0;
    if (kafka->fd == 0) {
        int fd = open(kafka->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_DSYNC, FILE_MODE);
        if (fd < 0)
            return -errno;
        kafka->fd = fd + 1;
    }
    if (pwrite(kafka->fd - 1, &bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes))
        return 0;
    int rc = errno != 0 ? -errno : -EIO;
    close_file(kafka);
    return rc;
}

/* ---- messages ---- */

static void decorate(void *arg, struct msg_builder *builder, struct msg_slice payload)
{
    const struct kafka_input_state *kafka = arg;
    const struct kafka_message *message = &kafka->message;
    const char *name = input_host_name(kafka->host), *hostname = input_host_hostname(kafka->host);
    const char *topic = kafka->options->topic;
    msg_builder_type(builder, "heka.kafka", strlen("heka.kafka"));
    msg_builder_logger(builder, name, strlen(name));
    msg_builder_severity(builder, MSG_SEVERITY_DEFAULT);
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_hostname(builder, hostname, strlen(hostname));
    msg_builder_field_bytes(builder, "Key", message->key.ptr, message->key.len, "");
    msg_builder_field_string(builder, "Topic", topic, strlen(topic), "");
    msg_builder_field_integer(builder, "Partition", kafka->options->partition, "");
    msg_builder_field_integer(builder, "Offset", message->offset, "");
}

static int take_message(struct kafka_input_state *kafka)
{
    const struct kafka_message *message = &kafka->message;
    int64_t size_max = kafka->options->max_message_size;
    input_host_count(kafka->host, RECORDS, 1);
    if (size_max > 0 && message->size > (size_t)size_max) {
        input_host_count(kafka->host, TOO_LARGE, 1);
        trouble_say(&kafka->trouble, "a message of %zu bytes is skipped", message->size);
        return 0;
    }
    input_host_count(kafka->host, BYTES, message->size);
    return input_stream_datagram(kafka->stream, message->value, message->size, false);
}

/* Deletes the file of a place that is gone: the next start begins with the oldest message. */
static int forget_place(struct kafka_input_state *kafka)
{
    log_error("Plugin '%s' error: removing the out of range checkpoint file and starting again",
              input_host_name(kafka->host));
    close_file(kafka);
    unlink(kafka->path);
    return input_host_fail(kafka->host, -ERANGE, "%s", kafka_reader_error(kafka->reader));
}

/* What there is now. Negative, or how many messages; `*next`: the place behind the last one. */
static int take_all(struct kafka_input_state *kafka, int64_t *next)
{
    int count = 0;
    while (count < TAKE_MAX && !input_host_stopping(kafka->host)) {
        switch (kafka_reader_take(kafka->reader, &kafka->message)) {
        case KAFKA_NOTHING:
            return count;
        case KAFKA_OUT_OF_RANGE:
            return forget_place(kafka);
        case KAFKA_FAILED:
            input_host_count(kafka->host, FAILURES, 1);
            trouble_say(&kafka->trouble, "%s", kafka_reader_error(kafka->reader));
            continue;
        case KAFKA_MESSAGE:
            break;
        }
        if (take_message(kafka) != 0)
            return -ECANCELED;
        *next = kafka->message.offset + 1;
        count++;
    }
    return count;
}

static int turn(struct kafka_input_state *kafka)
{
    int64_t next = -1;
    int count = take_all(kafka, &next);
    if (count < 0)
        return count;
    if (count == 0) {
        struct pollfd wait = {.fd = kafka_reader_fd(kafka->reader), .events = POLLIN};
        int rc = input_host_wait(kafka->host, &wait, 1, TURN_MS);
        return rc < 0 ? rc : 0;
    }
    int rc = input_host_flush(kafka->host);
    if (rc == 0)
        rc = write_offset(kafka, next);
    if (rc != 0 && rc != -ECANCELED)
        input_host_fail(kafka->host, rc, "%s: %s", kafka->path, strerror(-rc));
    return rc;
}

/* ---- its life ---- */

static int start_reader(struct kafka_input_state *kafka, struct err *err)
{
    const struct kafka_input_options *options = kafka->options;
    bool has_group = options->group != NULL && options->group[0] != '\0';
    struct kafka_reader_config config = {
        .client = &options->client,
        .name = input_host_name(kafka->host),
        .hostname = input_host_hostname(kafka->host),
        .group = has_group ? options->group : input_host_name(kafka->host),
        .topic = options->topic,
        .partition = (int32_t)options->partition,
        .default_fetch_size = options->default_fetch_size,
        .min_fetch_size = options->min_fetch_size,
        .max_wait_time = options->max_wait_time,
        .event_buffer_size = options->event_buffer_size,
    };
    if (find_path(kafka, err) != 0 || find_offset(kafka, &config.offset, err) != 0)
        return -1;
    kafka->reader = kafka_reader_new(&config, err);
    return kafka->reader != NULL ? 0 : -1;
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    struct kafka_input_state *kafka = state;
    kafka->options = config;
    kafka->host = host;
    kafka->trouble.name = input_host_name(host);
    kafka->stream = input_host_stream(host, err);
    if (kafka->stream == NULL)
        return -1;
    input_stream_set_decorator(kafka->stream, decorate, kafka);
    return 0;
}

/* It begins here and not in init: in a reload the former one has to have left its place. */
static void run(void *state)
{
    struct kafka_input_state *kafka = state;
    struct err err = {0};
    int rc = start_reader(kafka, &err);
    if (rc != 0)
        input_host_fail(kafka->host, rc, "%s", err.texts[0]);
    while (rc == 0)
        rc = turn(kafka);
    kafka_reader_free(kafka->reader);
    kafka->reader = NULL;
    close_file(kafka);
}

static void fini(void *state)
{
    struct kafka_input_state *kafka = state;
    input_stream_free(kafka->stream);
    kafka->stream = NULL;
}

const struct input_ops kafka_input = {
    .plugin = {PLUGIN_ABI, "KafkaInput", &schema, sizeof(struct kafka_input_options),
               sizeof(struct kafka_input_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .restarts = true,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
