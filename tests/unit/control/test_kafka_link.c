/* SPDX-License-Identifier: MPL-2.0
 *
 * test_kafka_link.c - what the options of KafkaInput and KafkaOutput become at librdkafka.
 *
 * rd_kafka_new() is ours here: it looks at the configuration and makes no client.
 */
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/outputs/outputs.h"
#include "tests/support/test_dir.h"
#include "tests/unit/control/fake_output.h"
#include "tests/unit/control/input_rig.h"
#include "tests/unit/control/output_rig.h"

static struct output_rig outputs;
static struct input_rig inputs;
static rd_kafka_conf_t *seen;
static _Atomic bool is_seen;

rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why,
                                size_t why_size);

rd_kafka_t *__wrap_rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why,
                                size_t why_size)
{
    (void)type;
    snprintf(why, why_size, "only looked at");
    if (!atomic_load(&is_seen)) {
        seen = rd_kafka_conf_dup(conf);
        atomic_store(&is_seen, true);
    }
    return NULL;
}

static void expect(const char *name, const char *value)
{
    char text[256];
    size_t size = sizeof(text);
    assert_int_equal(rd_kafka_conf_get(seen, name, text, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(text, value);
}

static void forget(void)
{
    rd_kafka_conf_destroy(seen);
    atomic_store(&is_seen, false);
}

static void look_at_output(const char *options)
{
    char text[2000];
    snprintf(text, sizeof(text), "addrs = [\"a:1\", \"b:2\"]\ntopic = \"t\"\n%s", options);
    output_rig_open(&outputs, &kafka_output, text);
    outputs.host.hostname = "box";
    assert_int_equal(output_rig_init(&outputs), -1);
    assert_string_equal(outputs.err.texts[0], "librdkafka: only looked at");
    output_rig_close(&outputs);
    assert_true(atomic_load(&is_seen));
}

static void look_at_input(const char *options)
{
    struct counters ledger;
    char text[2000];
    snprintf(text, sizeof(text),
             "[in]\ntype = \"KafkaInput\"\naddrs = [\"a:1\"]\n"
             "topic = \"t\"\noffset_method = \"Oldest\"\n%s",
             options);
    input_rig_init(&inputs, text);
    WAIT_UNTIL(atomic_load(&is_seen));
    input_rig_stop(&inputs, &ledger);
    input_rig_fini(&inputs);
}

/* Those that both have. */
static const char client_options[] =
    "id = \"me\"\nmetadata_retries = 7\nwait_for_election = 300\n"
    "background_refresh_frequency = 70000\nmax_open_reqests = 9\ndial_timeout = 5000\n"
    "read_timeout = 8000\nwrite_timeout = 7000\n";

static void expect_client_options(void)
{
    expect("client.id", "me");
    expect("topic.metadata.propagation.max.ms", "2100");
    expect("topic.metadata.refresh.fast.interval.ms", "300");
    expect("topic.metadata.refresh.interval.ms", "70000");
    expect("max.in.flight.requests.per.connection", "9");
    expect("socket.connection.setup.timeout.ms", "5000");
    expect("socket.timeout.ms", "8000");
    expect("security.protocol", "plaintext");
}

/* [option KafkaOutput.id] [option KafkaOutput.metadata_retries]
 * [option KafkaOutput.wait_for_election] [option KafkaOutput.background_refresh_frequency]
 * [option KafkaOutput.max_open_reqests] [option KafkaOutput.dial_timeout]
 * [option KafkaOutput.read_timeout] [option KafkaOutput.write_timeout] */
static void test_output_client(void **state)
{
    (void)state;
    look_at_output(client_options);
    expect("bootstrap.servers", "a:1,b:2");
    expect_client_options();
    forget();
    look_at_output("write_timeout = 90000\nread_timeout = 1\n");
    expect("socket.timeout.ms", "90000");
    forget();
}

static void test_output_defaults(void **state)
{
    (void)state;
    look_at_output("");
    expect("client.id", "box");
    expect("topic.metadata.propagation.max.ms", "750");
    expect("topic.metadata.refresh.interval.ms", "600000");
    expect("max.in.flight.requests.per.connection", "4");
    expect("socket.timeout.ms", "60000");
    expect("request.required.acks", "1");
    expect("compression.codec", "none");
    expect("request.timeout.ms", "1000");
    expect("partitioner", "random");
    expect("queue.buffering.max.ms", "1");
    forget();
}

/* [option KafkaOutput.required_acks] [option KafkaOutput.timeout]
 * [option KafkaOutput.compression_codec] [option KafkaOutput.max_buffer_time]
 * [option KafkaOutput.max_buffered_bytes] [option KafkaOutput.back_pressure_threshold_bytes], which
 * is accepted and changes nothing. */
static void test_output_producer(void **state)
{
    (void)state;
    look_at_output("required_acks = \"WaitForAll\"\ntimeout = 4000\n"
                   "compression_codec = \"Snappy\"\nmax_buffer_time = 300\n"
                   "max_buffered_bytes = 70000\nmax_message_bytes = 5000\n"
                   "partitioner = \"Hash\"\nhash_variable = \"Fields[a][1][2]\"\n");
    expect("request.required.acks", "-1");
    expect("request.timeout.ms", "4000");
    expect("compression.codec", "snappy");
    expect("queue.buffering.max.ms", "300");
    expect("batch.size", "70000");
    expect("message.max.bytes", "11024");
    expect("partitioner", "fnv1a");
    forget();
    /* What one byte fills does not wait. */
    look_at_output("max_buffer_time = 300\nrequired_acks = \"NoResponse\"\n"
                   "compression_codec = \"GZIP\"\nback_pressure_threshold_bytes = 5\n"
                   "partitioner = \"RoundRobin\"\n");
    expect("queue.buffering.max.ms", "1");
    expect("request.required.acks", "0");
    expect("compression.codec", "gzip");
    forget();
}

/* [option KafkaInput.id] [option KafkaInput.metadata_retries] [option KafkaInput.wait_for_election]
 * [option KafkaInput.background_refresh_frequency] [option KafkaInput.max_open_reqests]
 * [option KafkaInput.dial_timeout] [option KafkaInput.read_timeout]
 * [option KafkaInput.write_timeout] [option KafkaInput.default_fetch_size]
 * [option KafkaInput.min_fetch_size] [option KafkaInput.max_wait_time]
 * [option KafkaInput.event_buffer_size] [option KafkaInput.group] */
static void test_input(void **state)
{
    char options[1000];
    (void)state;
    snprintf(options, sizeof(options),
             "%sdefault_fetch_size = 1000\nmin_fetch_size = 50\n"
             "max_wait_time = 70\nevent_buffer_size = 500\ngroup = \"us\"\n",
             client_options);
    look_at_input(options);
    expect_client_options();
    expect("fetch.message.max.bytes", "1000");
    expect("fetch.min.bytes", "50");
    expect("fetch.wait.max.ms", "70");
    expect("queued.min.messages", "500");
    expect("group.id", "us");
    expect("enable.auto.commit", "false");
    forget();
    look_at_input("");
    expect("fetch.message.max.bytes", "32768");
    expect("fetch.min.bytes", "1");
    expect("fetch.wait.max.ms", "250");
    expect("queued.min.messages", "16");
    forget();
}

static void make_certificate(const char *dir, char path[128])
{
    char command[1024];
    snprintf(path, 128, "%s/cert.pem", dir);
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s "
             "-out %s.crt -days 2 -subj /CN=x 2>/dev/null && cat %s.crt >> %s",
             path, path, path, path);
    assert_int_equal(system(command), 0);
}

/* [option KafkaOutput.use_tls] [option KafkaOutput.tls] [option KafkaInput.use_tls]
 * [option KafkaInput.tls] */
static void test_tls(void **state)
{
    char dir[] = "/tmp/kafka-link-XXXXXX", path[128], text[800];
    (void)state;
    assert_int_equal(test_dir_make(dir), 0);
    make_certificate(dir, path);
    snprintf(text, sizeof(text),
             "use_tls = true\n[Output.tls]\nroot_cafile = \"%s\"\n"
             "cert_file = \"%s\"\nkey_file = \"%s\"\n",
             path, path, path);
    look_at_output(text);
    expect("security.protocol", "ssl");
    expect("ssl.ca.location", path);
    expect("ssl.certificate.location", path);
    expect("ssl.key.location", path);
    expect("enable.ssl.certificate.verification", "true");
    expect("ssl.endpoint.identification.algorithm", "https");
    forget();
    look_at_input("use_tls = true\n[in.tls]\ninsecure_skip_verify = true\n"
                  "ciphers = [\"ECDHE_RSA_WITH_AES_128_GCM_SHA256\"]\n");
    expect("security.protocol", "ssl");
    expect("enable.ssl.certificate.verification", "false");
    expect("ssl.endpoint.identification.algorithm", "none");
    expect("ssl.cipher.suites", "ECDHE-RSA-AES128-GCM-SHA256");
    forget();
    assert_int_equal(test_dir_remove(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_client),
        cmocka_unit_test(test_output_defaults),
        cmocka_unit_test(test_output_producer),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
