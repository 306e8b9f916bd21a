/* SPDX-License-Identifier: MPL-2.0
 *
 * kafka_output.c - KafkaOutput: encoded messages to topics of Kafka.
 *
 * Place:   builtin_outputs. The client: control/net/kafka_link.h.
 * Memory:  a window of KAFKA_WINDOW messages, copied.
 * Failure: a message is delivered when the brokers have said what required_acks asks for. One that
 *          they will never take, or for a topic by topic_variable that is not there, is dropped
 *          and counted; any other comes again, with those of its window behind it (at least once).
 * Source:  Heka 0.11 KafkaOutput, which lost what the brokers did not take.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/number.h"
#include "control/net/kafka_link.h"
#include "control/outputs/outputs.h"
#include "control/trouble.h"
#include "core/frame.h"

enum { WAIT_MS = 200, TEXT_SIZE = 64, NAME_SIZE = 256 };

enum { WRITTEN, TRIED_AGAIN };
static const struct output_counter counters[] = {
    [WRITTEN] = {"written", "messages that the brokers have"},
    [TRIED_AGAIN] = {"tried_again", "times that one was not written, and came again"},
    {NULL, NULL},
};

static const char *const partitioners[] = {"Random", "RoundRobin", "Hash", NULL};
static const char *const acks[] = {"NoResponse", "WaitForLocal", "WaitForAll", NULL};
static const char *const codecs[] = {"None", "GZIP", "Snappy", NULL};

struct kafka_output_options {
    struct kafka_client_options client;
    const char *hash_variable, *topic_variable, *topic;
    int partitioner, required_acks, compression_codec; /* of kafka_link.h */
    int64_t timeout, max_buffer_time, max_buffered_bytes, back_pressure_threshold_bytes;
    int64_t max_message_bytes;
};

#define CLIENT(member)                                                                             \
    .key = #member, .offset = offsetof(struct kafka_output_options, client.member)
#define KAFKA(member) .key = #member, .offset = offsetof(struct kafka_output_options, member)
static const struct schema_key keys[] = {
    KAFKA_CLIENT_ROWS(CLIENT),
    {KAFKA(partitioner), .type = SCHEMA_CHOICE, .choices = partitioners, .def = "Random",
     .help = "How messages are spread over the partitions of a topic."},
    {KAFKA(hash_variable), .type = SCHEMA_STRING,
     .help = "Type, Logger, Hostname, Payload or Fields[name][fi][ai]: the key, of which Hash "
             "makes the partition."},
    {KAFKA(topic), .type = SCHEMA_STRING, .help = "Its name; or give topic_variable."},
    {KAFKA(topic_variable), .type = SCHEMA_STRING,
     .help = "Type, Logger, Hostname, Payload or Fields[name][fi][ai]: whose value is the topic."},
    {KAFKA(required_acks), .type = SCHEMA_CHOICE, .choices = acks, .def = "WaitForLocal",
     .help = "Who has to have a message: nobody, the leader, all replicas in sync."},
    {KAFKA(timeout), .type = SCHEMA_INT, .min = 1, .max = 900000, .def = "1000", .unit = "ms",
     .help = "How long the brokers wait for these."},
    {KAFKA(compression_codec), .type = SCHEMA_CHOICE, .choices = codecs, .def = "None",
     .help = "How batches are compressed."},
    {KAFKA(max_buffer_time), .type = SCHEMA_INT, .min = 0, .max = 900000, .def = "1", .unit = "ms",
     .help = "Longest wait for max_buffered_bytes."},
    {KAFKA(max_buffered_bytes), .type = SCHEMA_INT, .min = 0, .max = INT32_MAX, .def = "1",
     .unit = "bytes", .help = "A batch of so many bytes is sent; 1: everything at once."},
    {KAFKA(back_pressure_threshold_bytes), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX,
     .def = "0", .help = "Accepted and ignored."},
    {KAFKA(max_message_bytes), .type = SCHEMA_INT, .min = 0, .max = 1000000000, .def = "0",
     .unit = "bytes", .help = "Larger messages are dropped; 0: the largest record of hekad."},
    {0},
};
static const struct schema schema = {"KafkaOutput", keys};

struct variable { /* a member of a message, or a value of a field */
    char name[NAME_SIZE];
    bool is_field;
    uint32_t field_index, value_index;
};

struct kafka_output_state {
    const struct kafka_output_options *options;
    struct output_host *host;
    struct kafka_writer *writer;
    struct variable hash, topic; /* where they are given */
    size_t size_max;
    unsigned window; /* messages of the batch that are under way; 0: none */
    struct trouble trouble;
};

/* ---- variables ---- */

static bool read_index(const char **at, uint32_t *index)
{
    char *end;
    if (**at == '\0')
        return true;
    if (**at != '[' || (*at)[1] < '0' || (*at)[1] > '9')
        return false;
    unsigned long value = strtoul(*at + 1, &end, 10);
    if (*end != ']' || value > INT32_MAX)
        return false;
    *index = (uint32_t)value;
    *at = end + 1;
    return true;
}

static int read_variable(const char *text, struct variable *variable)
{
    static const char *const members[] = {"Type", "Logger", "Hostname", "Payload"};
    *variable = (struct variable){0};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (strcmp(members[i], text) == 0) {
            snprintf(variable->name, sizeof(variable->name), "%s", text);
            return 0;
        }
    }
    const char *end = strchr(text, ']');
    size_t lead = strlen("Fields[");
    if (strncmp(text, "Fields[", lead) != 0 || end == NULL ||
        (size_t)(end - text) - lead >= NAME_SIZE)
        return -1;
    variable->is_field = true;
    memcpy(variable->name, text + lead, (size_t)(end - text) - lead);
    end++;
    bool is_good = read_index(&end, &variable->field_index) &&
                   read_index(&end, &variable->value_index) && *end == '\0';
    return is_good ? 0 : -1;
}

static struct msg_slice number_text(char text[TEXT_SIZE], const struct msg_field *field,
                                    uint32_t index)
{
    int64_t integer;
    double number;
    bool boolean;
    int len = 0;
    if (msg_field_integer(field, index, &integer))
        len = snprintf(text, TEXT_SIZE, "%lld", (long long)integer);
    else if (msg_field_double(field, index, &number))
        len = (int)number_format_double(number, text);
    else if (msg_field_bool(field, index, &boolean))
        len = snprintf(text, TEXT_SIZE, "%s", boolean ? "true" : "false");
    return (struct msg_slice){text, (uint32_t)len};
}

/* "" when it is not there. */
static struct msg_slice value_of(const struct variable *variable, const struct msg_view *message,
                                 char text[TEXT_SIZE])
{
    struct msg_field field;
    struct msg_slice value = {"", 0};
    if (!variable->is_field)
        return variable->name[0] == 'T'   ? message->type
               : variable->name[0] == 'L' ? message->logger
               : variable->name[0] == 'H' ? message->hostname
                                          : message->payload;
    if (!msg_field_find(message, variable->name, strlen(variable->name), variable->field_index,
                        &field))
        return value;
    if (msg_field_slice(&field, variable->value_index, &value))
        return value;
    return number_text(text, &field, variable->value_index);
}

/* ---- options ---- */

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static int check_variables(const struct kafka_output_options *options, struct err *err)
{
    struct variable variable;
    int rc = 0;
    bool is_hash = options->partitioner == KAFKA_HASH;
    if (is_hash &&
        (!is_set(options->hash_variable) || read_variable(options->hash_variable, &variable) != 0))
        rc = err_add(err, "hash_variable: invalid hash_variable: %s",
                     options->hash_variable != NULL ? options->hash_variable : "");
    if (!is_hash && is_set(options->hash_variable))
        rc = err_add(err, "hash_variable: hash_variable should not be set for the %s partitioner",
                     partitioners[options->partitioner]);
    if (is_set(options->topic) && is_set(options->topic_variable))
        rc = err_add(err, "topic: topic and topic_variable cannot both be set");
    else if (!is_set(options->topic) && (!is_set(options->topic_variable) ||
                                         read_variable(options->topic_variable, &variable) != 0))
        rc = err_add(err, "topic_variable: invalid topic_variable: %s",
                     options->topic_variable != NULL ? options->topic_variable : "");
    return rc;
}

static int check(const void *config, struct err *err)
{
    const struct kafka_output_options *options = config;
    int rc = kafka_client_check(&options->client, err);
    if (is_set(options->topic) && strlen(options->topic) > KAFKA_TOPIC_LEN_MAX)
        rc = err_add(err, "topic: more than %d characters", KAFKA_TOPIC_LEN_MAX);
    return check_variables(options, err) | rc;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    const struct kafka_output_options *options = config;
    struct kafka_output_state *kafka = state;
    kafka->options = options;
    kafka->host = host;
    kafka->trouble.name = output_host_name(host);
    kafka->size_max = (size_t)options->max_message_bytes;
    if (kafka->size_max == 0)
        kafka->size_max = output_host_message_max(host) + FRAME_OVERHEAD_MAX;
    if (is_set(options->hash_variable))
        read_variable(options->hash_variable, &kafka->hash); /* checked */
    if (is_set(options->topic_variable))
        read_variable(options->topic_variable, &kafka->topic);
    struct kafka_writer_config writer = {
        .client = &options->client,
        .name = output_host_name(host),
        .hostname = output_host_hostname(host),
        .partitioner = (enum kafka_partitioner)options->partitioner,
        .acks = (enum kafka_acks)options->required_acks,
        .codec = (enum kafka_codec)options->compression_codec,
        .timeout = options->timeout,
        .max_buffer_time = options->max_buffer_time,
        .max_buffered_bytes = options->max_buffered_bytes,
        .max_message_bytes = (int64_t)kafka->size_max,
    };
    kafka->writer = kafka_writer_new(&writer, err);
    return kafka->writer != NULL ? 0 : -1;
}

/* ---- messages ---- */

/* NULL: there is none, or none that can be a topic. */
static const char *topic_of(const struct kafka_output_state *kafka, const struct msg_view *message,
                            char name[KAFKA_TOPIC_LEN_MAX + 1])
{
    char text[TEXT_SIZE];
    if (is_set(kafka->options->topic))
        return kafka->options->topic;
    struct msg_slice value = value_of(&kafka->topic, message, text);
    if (value.len == 0 || value.len > KAFKA_TOPIC_LEN_MAX)
        return NULL;
    for (uint32_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
        if (!is_good)
            return NULL;
    }
    memcpy(name, value.ptr, value.len);
    name[value.len] = '\0';
    return name;
}

/* Why a message cannot be written; NULL: it can. */
static const char *refuse(const struct kafka_output_state *kafka, const struct output_item *item)
{
    char name[KAFKA_TOPIC_LEN_MAX + 1];
    if (item->size > kafka->size_max)
        return "too_large";
    return topic_of(kafka, &item->message, name) == NULL ? "bad_topic" : NULL;
}

static void put(struct kafka_output_state *kafka, unsigned index, const struct output_item *item)
{
    char name[KAFKA_TOPIC_LEN_MAX + 1], text[TEXT_SIZE];
    struct msg_slice key = {0};
    bool has_key = is_set(kafka->options->hash_variable);
    if (has_key)
        key = value_of(&kafka->hash, &item->message, text);
    kafka_writer_put(kafka->writer, index, topic_of(kafka, &item->message, name),
                     has_key ? &key : NULL, (struct msg_slice){item->bytes, (uint32_t)item->size});
}

/* Messages up to the next one that cannot be written. */
static unsigned put_window(struct kafka_output_state *kafka, const struct output_item *items,
                           unsigned count)
{
    unsigned n = 0;
    while (n < count && n < KAFKA_WINDOW && refuse(kafka, &items[n]) == NULL) {
        put(kafka, n, &items[n]);
        n++;
    }
    return n;
}

/* True: the message has ended. */
static bool settle(struct kafka_output_state *kafka, unsigned index)
{
    switch (kafka_writer_fate(kafka->writer, index)) {
    case KAFKA_WRITTEN:
        output_host_count(kafka->host, WRITTEN, 1);
        return true;
    case KAFKA_BAD:
        output_host_drop(kafka->host, "refused");
        break;
    case KAFKA_UNKNOWN_TOPIC:
        if (is_set(kafka->options->topic)) /* it may be made yet */
            return false;
        output_host_drop(kafka->host, "unknown_topic");
        break;
    case KAFKA_PENDING:
    case KAFKA_TRY_AGAIN:
        return false;
    }
    trouble_say(&kafka->trouble, "a message is dropped: %s", kafka_writer_error(kafka->writer));
    return true;
}

static int settle_window(struct kafka_output_state *kafka)
{
    unsigned done = 0, window = kafka->window;
    kafka->window = 0;
    while (done < window && settle(kafka, done))
        done++;
    if (done == window)
        return (int)done;
    output_host_count(kafka->host, TRIED_AGAIN, window - done);
    if (done > 0)
        return (int)done;
    return output_host_fail(kafka->host, -EIO, "kafka: %s", kafka_writer_error(kafka->writer));
}

/* What is under way stays so from call to call: the items are the same until it has ended. */
static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct kafka_output_state *kafka = state;
    const char *reason;
    if (kafka->window == 0 && (reason = refuse(kafka, &items[0])) != NULL) {
        output_host_drop(kafka->host, reason);
        return 1;
    }
    if (kafka->window == 0)
        kafka->window = put_window(kafka, items, count);
    while (kafka_writer_wait(kafka->writer, WAIT_MS) > 0)
        if (output_host_stopping(kafka->host))
            return 0;
    return settle_window(kafka);
}

static void timer(void *state, uint64_t now_ns)
{
    struct kafka_output_state *kafka = state;
    (void)now_ns;
    kafka_writer_wait(kafka->writer, 0);
}

static void fini(void *state)
{
    struct kafka_output_state *kafka = state;
    kafka_writer_free(kafka->writer);
    kafka->writer = NULL;
}

const struct output_ops kafka_output = {
    .plugin = {PLUGIN_ABI, "KafkaOutput", &schema, sizeof(struct kafka_output_options),
               sizeof(struct kafka_output_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .restarts = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .fini = fini,
};
