/* SPDX-License-Identifier: MPL-2.0
 *
 * kafka_cluster.c - librdkafka's mock cluster as a server, for tests: it prints its addresses, then
 * obeys lines of stdin and answers each with lines that end with ".".
 *
 *   topic NAME PARTITIONS      make a topic
 *   put NAME PARTITION KEY VALUE   write a message ("-" is no key)
 *   dump NAME PARTITIONS       "PARTITION OFFSET CODEC? KEY VALUE" of all messages, in hexadecimal
 *   down N, up N               a broker goes away, comes back
 *   fail KEY COUNT             the next COUNT requests of that API key (0: Produce) fail
 *   topicerr NAME CODE         all requests of the topic fail; 0: no more
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BROKERS = 2, LINE_SIZE = 1 << 20, NAME_SIZE = 256, WAIT_MS = 10000, WHY_SIZE = 256 };

static rd_kafka_t *owner, *producer, *consumer;
static rd_kafka_mock_cluster_t *cluster;
static char *addresses;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static rd_kafka_t *new_client(rd_kafka_type_t type, int has_addresses)
{
    char why[WHY_SIZE];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (has_addresses)
        rd_kafka_conf_set(conf, "bootstrap.servers", addresses, why, sizeof(why));
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
    rd_kafka_conf_set(conf, "group.id", "test", why, sizeof(why));
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", why, sizeof(why));
    rd_kafka_conf_set(conf, "fetch.error.backoff.ms", "10", why, sizeof(why));
    rd_kafka_conf_set(conf, "topic.metadata.refresh.fast.interval.ms", "20", why, sizeof(why));
    rd_kafka_t *made = rd_kafka_new(type, conf, why, sizeof(why));
    if (made == NULL)
        die("rd_kafka_new", why);
    return made;
}

static void put(const char *topic, int partition, char *key, char *value)
{
    rd_kafka_resp_err_t code =
        rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_KEY(key, (key == NULL ? 0 : strlen(key))),
                          RD_KAFKA_V_VALUE(value, strlen(value)), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR || rd_kafka_flush(producer, WAIT_MS) != 0)
        die("put", rd_kafka_err2str(code));
}

static void print_hex(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    putchar(bytes != NULL ? '=' : '-');
    for (size_t i = 0; i < size; i++)
        printf("%02x", at[i]);
}

static void dump_partition(const char *name, int partition)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, name, NULL);
    rd_kafka_consume_start(topic, partition, RD_KAFKA_OFFSET_BEGINNING);
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consume(topic, partition, WAIT_MS);
        if (message == NULL || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (message != NULL)
                rd_kafka_message_destroy(message);
            break;
        }
        printf("%d %lld ", partition, (long long)message->offset);
        print_hex(message->key, message->key_len);
        putchar(' ');
        print_hex(message->payload, message->len);
        putchar('\n');
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consume_stop(topic, partition);
    rd_kafka_topic_destroy(topic);
}

static void dump(const char *name, int partitions)
{
    for (int i = 0; i < partitions; i++)
        dump_partition(name, i);
}

static void fail(int api_key, int count)
{
    for (int i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(cluster, (int16_t)api_key, 1,
                                          RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
}

static void obey(char *line)
{
    static char name[NAME_SIZE], key[NAME_SIZE];
    static char value[LINE_SIZE];
    int number, more;
    if (sscanf(line, "topic %255s %d", name, &number) == 2)
        rd_kafka_mock_topic_create(cluster, name, number, 1);
    else if (sscanf(line, "put %255s %d %255s %1048575[^\n]", name, &number, key, value) == 4)
        put(name, number, strcmp(key, "-") == 0 ? NULL : key, value);
    else if (sscanf(line, "dump %255s %d", name, &number) == 2)
        dump(name, number);
    else if (sscanf(line, "down %d", &number) == 1)
        rd_kafka_mock_broker_set_down(cluster, number);
    else if (sscanf(line, "up %d", &number) == 1)
        rd_kafka_mock_broker_set_up(cluster, number);
    else if (sscanf(line, "fail %d %d", &number, &more) == 2)
        fail(number, more);
    else if (sscanf(line, "topicerr %255s %d", name, &number) == 2)
        rd_kafka_mock_topic_set_error(cluster, name, (rd_kafka_resp_err_t)number);
    else
        die("what is", line);
    puts(".");
    fflush(stdout);
}

int main(void)
{
    static char line[LINE_SIZE];
    owner = new_client(RD_KAFKA_PRODUCER, 0);
    cluster = rd_kafka_mock_cluster_new(owner, BROKERS);
    if (cluster == NULL)
        die("rd_kafka_mock_cluster_new", "no cluster");
    addresses = strdup(rd_kafka_mock_cluster_bootstraps(cluster));
    producer = new_client(RD_KAFKA_PRODUCER, 1);
    consumer = new_client(RD_KAFKA_CONSUMER, 1);
    puts(addresses);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL)
        obey(line);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    free(addresses);
    return 0;
}
