/* SPDX-License-Identifier: MPL-2.0
 *
 * kafka_link.h - one partition of a topic to read, or topics to write: the only user of librdkafka.
 *
 * Place:   inputs/kafka_input.c, outputs/kafka_output.c.
 * Threads: one owner; librdkafka has threads of its own behind it, which connect, fetch and send.
 * Memory:  librdkafka's: what was fetched and not taken yet (event_buffer_size), and what is to be
 *          sent: at most KAFKA_WINDOW messages.
 * Failure: it connects again by itself; texts of its log go to ours, at most one a second.
 */
#ifndef CONTROL_KAFKA_LINK_H
#define CONTROL_KAFKA_LINK_H

#include <stddef.h>

#include "control/net/kafka_options.h"
#include "core/message.h"

enum { KAFKA_WINDOW = 256, KAFKA_TOPIC_LEN_MAX = 249, KAFKA_ERROR_SIZE = 256 };

/* ---- reading ---- */

enum { KAFKA_OLDEST = -2, KAFKA_NEWEST = -1 }; /* instead of an offset */

struct kafka_reader_config {
    const struct kafka_client_options *client;
    const char *name, *hostname, *group, *topic;
    int32_t partition;
    int64_t offset;
    int64_t default_fetch_size, min_fetch_size, max_wait_time, event_buffer_size;
};

enum kafka_found { KAFKA_NOTHING, KAFKA_MESSAGE, KAFKA_FAILED, KAFKA_OUT_OF_RANGE };

struct kafka_message {    /* until the next call */
    struct msg_slice key; /* ptr NULL: none */
    const void *value;
    size_t size;
    int64_t offset;
};

struct kafka_reader;

/* NULL after adding to `err`. */
struct kafka_reader *kafka_reader_new(const struct kafka_reader_config *config, struct err *err);
void kafka_reader_free(struct kafka_reader *reader); /* NULL is fine */
/* Readable when there may be something to take. */
int kafka_reader_fd(const struct kafka_reader *reader);
/* KAFKA_FAILED, KAFKA_OUT_OF_RANGE: kafka_reader_error() says why. */
enum kafka_found kafka_reader_take(struct kafka_reader *reader, struct kafka_message *message);
const char *kafka_reader_error(const struct kafka_reader *reader);

/* ---- writing ---- */

enum kafka_partitioner { KAFKA_RANDOM, KAFKA_ROUND_ROBIN, KAFKA_HASH };
enum kafka_acks { KAFKA_NO_RESPONSE, KAFKA_WAIT_FOR_LOCAL, KAFKA_WAIT_FOR_ALL };
enum kafka_codec { KAFKA_CODEC_NONE, KAFKA_CODEC_GZIP, KAFKA_CODEC_SNAPPY };

struct kafka_writer_config {
    const struct kafka_client_options *client;
    const char *name, *hostname;
    enum kafka_partitioner partitioner;
    enum kafka_acks acks;
    enum kafka_codec codec;
    int64_t timeout, max_buffer_time, max_buffered_bytes, max_message_bytes;
};

enum kafka_fate { KAFKA_PENDING, KAFKA_WRITTEN, KAFKA_TRY_AGAIN, KAFKA_UNKNOWN_TOPIC, KAFKA_BAD };

struct kafka_writer;

struct kafka_writer *kafka_writer_new(const struct kafka_writer_config *config, struct err *err);
void kafka_writer_free(struct kafka_writer *writer); /* what is pending is lost; NULL is fine */

/* Starts to write a message, the index-th of at most KAFKA_WINDOW; the bytes are copied. `key` may
 * be NULL. */
void kafka_writer_put(struct kafka_writer *writer, unsigned index, const char *topic,
                      const struct msg_slice *key, struct msg_slice value);
/* How many are pending still, after waiting up to `timeout_ms` for all. */
unsigned kafka_writer_wait(struct kafka_writer *writer, unsigned timeout_ms);
/* What has become of it; then of the next window. */
enum kafka_fate kafka_writer_fate(const struct kafka_writer *writer, unsigned index);
/* Why the last one failed. */
const char *kafka_writer_error(const struct kafka_writer *writer);

#endif
