/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/kafka_link.h"

#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/net/tls.h"
#include "core/address.h"
#include "core/buffer.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    VALUE_SIZE = 32,
    DIAL_MIN_MS = 1000,     /* librdkafka takes no less */
    SOCKET_MAX_MS = 300000, /* and here no more */
    MESSAGE_TIMEOUT_MS = 60000,
    MESSAGE_BYTES_MORE = 1024
};

struct kafka_client { /* what readers and writers have in common */
    const char *name;
    rd_kafka_t *handle;
    _Atomic uint64_t next_log_ns;
    char error[KAFKA_ERROR_SIZE];
};

/* ---- options ---- */

int kafka_client_check(const struct kafka_client_options *options, struct err *err)
{
    const char *const *addrs = options->addrs.items;
    struct address_parts parts;
    int rc = 0;
    if (options->addrs.count == 0)
        rc = err_add(err, "addrs: addrs must have at least one entry");
    for (size_t i = 0; i < options->addrs.count; i++)
        if (address_split(addrs[i], &parts) != 0 || strchr(addrs[i], ',') != NULL)
            rc = err_add(err, "addrs: found '%s', allowed HOST:PORT", addrs[i]);
    if (options->use_tls && tls_check(&options->tls, TLS_CLIENT, err) != 0)
        rc = -1;
    return rc;
}

static int set(rd_kafka_conf_t *conf, const char *key, const char *value, struct err *err)
{
    char why[KAFKA_ERROR_SIZE];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return 0;
    return err_add(err, "librdkafka: %s", why);
}

static int set_number(rd_kafka_conf_t *conf, const char *key, int64_t value, struct err *err)
{
    char text[VALUE_SIZE];
    snprintf(text, sizeof(text), "%" PRId64, value);
    return set(conf, key, text, err);
}

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

static int set_addrs(rd_kafka_conf_t *conf, const struct schema_list *list, struct err *err)
{
    struct buffer text = {0};
    const char *const *addrs = list->items;
    int rc = 0;
    for (size_t i = 0; i < list->count && rc == 0; i++)
        rc = buffer_printf(&text, "%s%s", i > 0 ? "," : "", addrs[i]);
    rc = rc == 0 ? set(conf, "bootstrap.servers", text.data, err) : err_add(err, "out of memory");
    buffer_fini(&text);
    return rc;
}

static int set_file(rd_kafka_conf_t *conf, const char *key, const char *path, struct err *err)
{
    return tls_option_is_set(path) ? set(conf, key, path, err) : 0;
}

/* librdkafka has its own TLS; what it has no option for is said. */
static int set_tls(const struct kafka_client *client, rd_kafka_conf_t *conf,
                   const struct kafka_client_options *options, struct err *err)
{
    const struct tls_options *tls = &options->tls;
    struct tls_values values;
    if (!options->use_tls)
        return 0;
    if (tls_options_values(tls, &values, err) != 0)
        return -1;
    if (tls_option_is_set(tls->server_name) || values.min_version > TLS_VERSION_12 ||
        values.max_version != TLS_VERSION_ANY)
        log_info("Plugin '%s': tls: server_name, min_version and max_version have no effect with "
                 "Kafka",
                 client->name);
    int rc = set(conf, "security.protocol", "ssl", err);
    rc |= set_file(conf, "ssl.ca.location", tls->root_cafile, err);
    rc |= set_file(conf, "ssl.certificate.location", tls->cert_file, err);
    rc |= set_file(conf, "ssl.key.location", tls->key_file, err);
    rc |= set_file(conf, "ssl.cipher.suites", values.ciphers, err);
    rc |= set(conf, "enable.ssl.certificate.verification",
              tls->insecure_skip_verify ? "false" : "true", err);
    rc |= set(conf, "ssl.endpoint.identification.algorithm",
              tls->insecure_skip_verify ? "none" : "https", err);
    return rc;
}

static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    struct kafka_client *client = rd_kafka_opaque(handle);
    uint64_t now_ns = clock_mono_ns();
    (void)level;
    if (client == NULL || now_ns < atomic_load_explicit(&client->next_log_ns, memory_order_relaxed))
        return;
    atomic_store_explicit(&client->next_log_ns, now_ns + CLOCK_NS_PER_S, memory_order_relaxed);
    log_error("Plugin '%s' error: kafka: %s: %s", client->name, facility, text);
}

static int set_client(struct kafka_client *client, rd_kafka_conf_t *conf,
                      const struct kafka_client_options *options, const char *hostname,
                      struct err *err)
{
    bool is_named = options->id != NULL && options->id[0] != '\0';
    int64_t longest = options->read_timeout > options->write_timeout ? options->read_timeout
                                                                     : options->write_timeout;
    int rc = set(conf, "client.id", is_named ? options->id : hostname, err);
    rc |= set_addrs(conf, &options->addrs, err);
    rc |= set_number(conf, "topic.metadata.refresh.fast.interval.ms", options->wait_for_election,
                     err);
    rc |=
        set_number(conf, "topic.metadata.propagation.max.ms",
                   clamp(options->wait_for_election * options->metadata_retries, 0, 3600000), err);
    rc |= set_number(conf, "topic.metadata.refresh.interval.ms",
                     options->background_refresh_frequency, err);
    rc |= set_number(conf, "max.in.flight", options->max_open_reqests, err);
    rc |= set_number(conf, "socket.connection.setup.timeout.ms",
                     clamp(options->dial_timeout, DIAL_MIN_MS, INT32_MAX), err);
    rc |= set_number(conf, "socket.timeout.ms", clamp(longest, 10, SOCKET_MAX_MS), err);
    rc |= set_tls(client, conf, options, err);
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, on_log);
    return rc;
}

static int start(struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *take_conf,
                 struct err *err)
{
    char why[KAFKA_ERROR_SIZE];
    client->handle = rd_kafka_new(type, take_conf, why, sizeof(why));
    if (client->handle != NULL)
        return 0;
    rd_kafka_conf_destroy(take_conf);
    return err_add(err, "librdkafka: %s", why);
}

/* ---- reading ---- */

struct kafka_reader {
    struct kafka_client client;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *message; /* that was taken last */
    int32_t partition;
    bool is_started;
    int fd;
};

static int set_reader(struct kafka_reader *reader, rd_kafka_conf_t *conf,
                      const struct kafka_reader_config *config, struct err *err)
{
    int rc = set_client(&reader->client, conf, config->client, config->hostname, err);
    rc |= set(conf, "group.id", config->group, err);
    rc |= set(conf, "enable.auto.commit", "false", err);
    rc |= set(conf, "auto.offset.reset", "error", err);
    rc |= set_number(conf, "fetch.message.max.bytes", config->default_fetch_size, err);
    rc |= set_number(conf, "fetch.min.bytes", config->min_fetch_size, err);
    rc |= set_number(conf, "fetch.wait.max.ms", config->max_wait_time, err);
    rc |= set_number(conf, "queued.min.messages", config->event_buffer_size, err);
    return rc;
}

static int64_t offset_of(int64_t offset)
{
    if (offset == KAFKA_OLDEST)
        return RD_KAFKA_OFFSET_BEGINNING;
    return offset == KAFKA_NEWEST ? RD_KAFKA_OFFSET_END : offset;
}

static int start_reader(struct kafka_reader *reader, const struct kafka_reader_config *config,
                        struct err *err)
{
    static const uint64_t one = 1;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    reader->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reader->fd < 0 || set_reader(reader, conf, config, err) != 0) {
        rd_kafka_conf_destroy(conf);
        return reader->fd < 0 ? err_add(err, "eventfd: %s", strerror(errno)) : -1;
    }
    if (start(&reader->client, RD_KAFKA_CONSUMER, conf, err) != 0)
        return -1;
    reader->topic = rd_kafka_topic_new(reader->client.handle, config->topic, NULL);
    reader->queue = rd_kafka_queue_new(reader->client.handle);
    if (reader->topic == NULL || reader->queue == NULL)
        return err_add(err, "librdkafka: %s", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_queue_io_event_enable(reader->queue, reader->fd, &one, sizeof(one));
    reader->partition = config->partition;
    if (rd_kafka_consume_start_queue(reader->topic, config->partition, offset_of(config->offset),
                                     reader->queue) != 0)
        return err_add(err, "librdkafka: %s", rd_kafka_err2str(rd_kafka_last_error()));
    reader->is_started = true;
    return 0;
}

struct kafka_reader *kafka_reader_new(const struct kafka_reader_config *config, struct err *err)
{
    struct kafka_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    reader->client.name = config->name;
    reader->fd = -1;
    if (start_reader(reader, config, err) == 0)
        return reader;
    kafka_reader_free(reader);
    return NULL;
}

void kafka_reader_free(struct kafka_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->message != NULL)
        rd_kafka_message_destroy(reader->message);
    if (reader->is_started)
        rd_kafka_consume_stop(reader->topic, reader->partition);
    if (reader->queue != NULL)
        rd_kafka_queue_destroy(reader->queue);
    if (reader->topic != NULL)
        rd_kafka_topic_destroy(reader->topic);
    if (reader->client.handle != NULL)
        rd_kafka_destroy(reader->client.handle);
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader);
}

int kafka_reader_fd(const struct kafka_reader *reader)
{
    return reader->fd;
}

const char *kafka_reader_error(const struct kafka_reader *reader)
{
    return reader->client.error;
}

/* An event, instead of a message. */
static enum kafka_found take_event(struct kafka_reader *reader, const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return KAFKA_NOTHING;
    snprintf(reader->client.error, sizeof(reader->client.error), "%s",
             rd_kafka_message_errstr(message));
    bool is_beyond = message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                     message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    return is_beyond ? KAFKA_OUT_OF_RANGE : KAFKA_FAILED;
}

enum kafka_found kafka_reader_take(struct kafka_reader *reader, struct kafka_message *message)
{
    uint64_t count;
    if (read(reader->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return KAFKA_NOTHING;
    rd_kafka_poll(reader->client.handle, 0);
    if (reader->message != NULL)
        rd_kafka_message_destroy(reader->message);
    reader->message = rd_kafka_consume_queue(reader->queue, 0);
    if (reader->message == NULL)
        return KAFKA_NOTHING;
    if (reader->message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return take_event(reader, reader->message);
    *message = (struct kafka_message){
        .key = {reader->message->key, (uint32_t)reader->message->key_len},
        .value = reader->message->payload,
        .size = reader->message->len,
        .offset = reader->message->offset,
    };
    return KAFKA_MESSAGE;
}

/* ---- writing ---- */

struct kafka_writer {
    struct kafka_client client;
    unsigned pending, next_partition;
    enum kafka_fate fates[KAFKA_WINDOW];
};

static enum kafka_fate fate_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return KAFKA_WRITTEN;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return KAFKA_UNKNOWN_TOPIC;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        return KAFKA_BAD;
    default:
        return KAFKA_TRY_AGAIN;
    }
}

static void set_fate(struct kafka_writer *writer, uintptr_t index, rd_kafka_resp_err_t code)
{
    writer->fates[index] = fate_of(code);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        snprintf(writer->client.error, sizeof(writer->client.error), "%s", rd_kafka_err2str(code));
}

/* From kafka_writer_wait(). */
static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_client *client = opaque;
    struct kafka_writer *writer = (struct kafka_writer *)(void *)client; /* its first member */
    (void)handle;
    writer->pending--;
    set_fate(writer, (uintptr_t)message->_private, message->err);
}

static int32_t next_partition(const rd_kafka_topic_t *topic, const void *key, size_t key_size,
                              int32_t count, void *topic_opaque, void *message_opaque)
{
    struct kafka_writer *writer = topic_opaque;
    (void)key;
    (void)key_size;
    (void)message_opaque;
    for (int32_t tries = 0; tries < count; tries++) {
        int32_t partition = (int32_t)(writer->next_partition++ % (unsigned)count);
        if (rd_kafka_topic_partition_available(topic, partition))
            return partition;
    }
    /* A message without a partition would stay so until their number changes. */
    return (int32_t)(writer->next_partition++ % (unsigned)count);
}

static int set_partitioner(struct kafka_writer *writer, rd_kafka_conf_t *conf,
                           enum kafka_partitioner partitioner, struct err *err)
{
    if (partitioner == KAFKA_RANDOM)
        return set(conf, "partitioner", "random", err);
    if (partitioner == KAFKA_HASH)
        return set(conf, "partitioner", "fnv1a", err); /* as the client that Heka has */
    rd_kafka_topic_conf_t *topics = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set_partitioner_cb(topics, next_partition);
    rd_kafka_topic_conf_set_opaque(topics, writer);
    rd_kafka_conf_set_default_topic_conf(conf, topics);
    return 0;
}

static int set_writer(struct kafka_writer *writer, rd_kafka_conf_t *conf,
                      const struct kafka_writer_config *config, struct err *err)
{
    static const char *const codecs[] = {"none", "gzip", "snappy"};
    static const char *const acks[] = {"0", "1", "-1"};
    bool is_buffered = config->max_buffered_bytes > 1;
    int rc = set_partitioner(writer, conf, config->partitioner, err); /* before topic options */
    rc |= set_client(&writer->client, conf, config->client, config->hostname, err);
    rc |= set(conf, "request.required.acks", acks[config->acks], err);
    rc |= set(conf, "compression.codec", codecs[config->codec], err);
    rc |= set_number(conf, "request.timeout.ms", config->timeout, err);
    rc |= set_number(conf, "message.timeout.ms", MESSAGE_TIMEOUT_MS, err);
    /* With its key and what is around it; who writes has looked at the value alone. */
    rc |= set_number(conf, "message.max.bytes",
                     clamp(2 * config->max_message_bytes + MESSAGE_BYTES_MORE, 0, 1000000000), err);
    /* Each message has a partition of its own, not each batch. */
    rc |= set(conf, "sticky.partitioning.linger.ms", "0", err);
    /* A buffer that one byte fills is sent at once. */
    rc |= set_number(conf, "linger.ms", is_buffered ? config->max_buffer_time : 1, err);
    if (is_buffered)
        rc |= set_number(conf, "batch.size", config->max_buffered_bytes, err);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return rc;
}

struct kafka_writer *kafka_writer_new(const struct kafka_writer_config *config, struct err *err)
{
    struct kafka_writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    writer->client.name = config->name;
    if (set_writer(writer, conf, config, err) != 0)
        rd_kafka_conf_destroy(conf);
    else if (start(&writer->client, RD_KAFKA_PRODUCER, conf, err) == 0)
        return writer;
    free(writer);
    return NULL;
}

void kafka_writer_free(struct kafka_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->pending > 0)
        rd_kafka_purge(writer->client.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(writer->client.handle);
    free(writer);
}

void kafka_writer_put(struct kafka_writer *writer, unsigned index, const char *topic,
                      const struct msg_slice *key, struct msg_slice value)
{
    const char *key_text = key == NULL ? NULL : key->ptr != NULL ? key->ptr : "";
    void *key_bytes = (void *)(uintptr_t)key_text;
    size_t key_size = key != NULL ? key->len : 0;
    rd_kafka_resp_err_t code = rd_kafka_producev(
        writer->client.handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key_bytes, key_size),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)index), RD_KAFKA_V_END);
    writer->fates[index] = KAFKA_PENDING;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        writer->pending++;
    else
        set_fate(writer, index, code);
}

unsigned kafka_writer_wait(struct kafka_writer *writer, unsigned timeout_ms)
{
    uint64_t until_ns = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS, now_ns;
    do {
        now_ns = clock_mono_ns();
        uint64_t left_ms = now_ns < until_ns ? (until_ns - now_ns) / CLOCK_NS_PER_MS : 0;
        rd_kafka_poll(writer->client.handle, writer->pending > 0 ? (int)left_ms : 0);
    } while (writer->pending > 0 && now_ns < until_ns);
    return writer->pending;
}

enum kafka_fate kafka_writer_fate(const struct kafka_writer *writer, unsigned index)
{
    return writer->fates[index];
}

const char *kafka_writer_error(const struct kafka_writer *writer)
{
    return writer->client.error;
}
