/* SPDX-License-Identifier: MPL-2.0
 *
 * decode.c - log lines per second through SyslogDecoder and JsonDecoder, from message to message,
 *            on one core.
 *
 * Place:   build/PRESET/bench/decode. The JSON case says beside its rate what jansson takes only to
 *          read the same documents into memory.
 * Threads: one.
 * Memory:  lines, messages and the decoder are built in setup.
 * Failure: a line whose message has not the text and the number of its line makes the case inexact.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/bench.h"
#include "codec/decoder.h"
#include "core/check.h"
#include "core/clock.h"

enum { LINES = 512, LINE_SIZE = 512, ROOM = 4096, BURST = 64 };

#define UNDISTURBED 0.98 /* share of its core that a run must have had */
#define NOW_NS      INT64_C(1718445600000000000)

struct decode_line {
    char text[LINE_SIZE];
    size_t len;
    uint8_t message[LINE_SIZE + 64];
    struct msg_view view;
};

struct decode_kind { /* a case */
    const struct decoder_ops *ops;
    const char *options;
    int (*write)(char *text, unsigned number); /* into LINE_SIZE bytes; returns the length */
    bool is_json;
};

struct decode_state {
    const struct decode_kind *kind;
    struct decode_line *lines;
    struct conf_doc *doc;
    void *config, *state;
    uint8_t room[ROOM];
    size_t committed_size;
    uint64_t bytes, committed;
};

/* ---- the log ---- */

static const char *const words[] = {"connection from", "request finished in", "cache miss for",
                                    "user logged out:"};

static int write_3164(char *text, unsigned number)
{
    return snprintf(text, LINE_SIZE,
                    "<%u>Jun 15 09:%02u:%02u web-%u.example.com nginx[%u]: %s 192.0.2.%u, client "
                    "port %u, upstream \"http://127.0.0.1:8080/\", number %u",
                    8 * (number % 24) + number % 8, number / 60 % 60, number % 60, number % 9,
                    1000 + number, words[number % 4], number % 256, number * 7919 % 65536, number);
}

static int write_5424(char *text, unsigned number)
{
    return snprintf(
        text, LINE_SIZE,
        "<%u>1 2024-06-15T09:%02u:%02u.%06uZ web-%u.example.com shop %u ID%u "
        "[origin@32473 ip=\"192.0.2.%u\" software=\"shop\"][request@32473 path=\"/a/%u\" "
        "status=\"200\"] %s 192.0.2.%u, number %u",
        8 * (number % 24) + number % 8, number / 60 % 60, number % 60, number * 1931, number % 9,
        1000 + number, number % 50, number % 256, number, words[number % 4], number % 256, number);
}

static int write_json(char *text, unsigned number)
{
    return snprintf(
        text, LINE_SIZE,
        "{\"time\":\"2024-06-15T09:%02u:%02u.%03uZ\",\"level\":\"info\",\"pid\":%u,"
        "\"host\":\"web-%u\",\"http\":{\"status\":200,\"path\":\"/a/%u\",\"seconds\":0.%03u,"
        "\"cached\":false},\"tags\":[\"a\",\"b\"],\"user\":null,"
        "\"msg\":\"%s \\\"192.0.2.%u\\\", number %u\"}",
        number / 60 % 60, number % 60, number % 1000, 1000 + number, number % 9, number,
        number % 1000, words[number % 4], number % 256, number);
}

static const struct decode_kind kinds[] = {
    {&syslog_decoder, "", write_3164, false},
    {&syslog_decoder, "", write_5424, false},
    {&json_decoder,
     "[main.severity_map]\ninfo = 6\n[main.message_members]\nTimestamp = 'time'\n"
     "Severity = 'level'\nPid = 'pid'\nHostname = 'host'\nPayload = 'msg'\n",
     write_json, true},
};

static void write_message(struct decode_line *line)
{
    static const uint8_t uuid[MSG_UUID_SIZE] = {1};
    struct msg_builder builder;

    msg_builder_init(&builder, line->message, sizeof line->message);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, NOW_NS);
    msg_builder_type(&builder, "log", 3);
    msg_builder_payload(&builder, line->text, line->len);
    msg_builder_hostname(&builder, "relay", 5);
    CHECK(msg_builder_finish(&builder) > 0 &&
          msg_view_init(&line->view, line->message, builder.size) == 0);
}

/* ---- the decoder ---- */

static int make_decoder(struct bench_run *run, struct decode_state *state)
{
    const struct decoder_ops *ops = state->kind->ops;
    struct decoder_host host = {.message_size_max = ROOM};
    struct err err = {0};
    char toml[512];
    int len = snprintf(toml, sizeof toml, "[main]\n%s", state->kind->options);

    state->config = calloc(1, ops->plugin.config_size);
    state->state = calloc(1, ops->plugin.state_size);
    if (!state->config || !state->state)
        return bench_error(run, "out of memory");
    if (toml_parse(toml, (size_t)len, "options", NULL, &state->doc, &err) < 0 ||
        schema_apply(ops->plugin.schema, conf_get(conf_root(state->doc), "main"), "main", NULL,
                     state->doc, state->config, &err) < 0 ||
        ops->init(state->state, state->config, &host, &err) < 0)
        return bench_error(run, "%s", err.texts[0]);
    return 0;
}

static uint8_t *begin(void *context, size_t *capacity)
{
    struct decode_state *state = context;

    *capacity = ROOM;
    return state->room;
}

static void commit(void *context, size_t size)
{
    struct decode_state *state = context;

    state->committed++;
    state->committed_size = size;
}

static int decode_line(struct decode_state *state, const struct decode_line *line,
                       struct decode_io *io)
{
    return state->kind->ops->decode(state->state, state->config, &line->view, io);
}

static int check_line(struct bench_run *run, struct decode_state *state, unsigned number)
{
    struct decode_io io = {.context = state, .begin = begin, .commit = commit, .now_ns = NOW_NS};
    const struct decode_line *line = &state->lines[number];
    struct msg_view view;
    char end[32];
    int len = snprintf(end, sizeof end, ", number %u", number);

    if (decode_line(state, line, &io) != 0 ||
        msg_view_init(&view, state->room, state->committed_size) != 0 ||
        view.payload.len < (size_t)len ||
        memcmp(view.payload.ptr + view.payload.len - len, end, (size_t)len) != 0 ||
        view.hostname.len < 5 || memcmp(view.hostname.ptr, "web-", 4) != 0 ||
        view.pid != (int32_t)(1000 + number) || io.notes[DECODE_NOTE_TIMESTAMP] != 0 ||
        view.timestamp_ns == NOW_NS || view.field_count < 2)
        return bench_inexact(run, "decoded wrongly: %s", line->text);
    return 0;
}

static int setup(struct bench_run *run)
{
    struct decode_state *state = calloc(1, sizeof *state);

    run->state = state;
    if (!state)
        return bench_error(run, "out of memory");
    state->kind = run->bench_case->arg;
    state->lines = calloc(LINES, sizeof *state->lines);
    if (!state->lines)
        return bench_error(run, "out of memory");
    if (make_decoder(run, state) < 0)
        return -1;
    for (unsigned i = 0; i < LINES; i++) {
        struct decode_line *line = &state->lines[i];

        line->len = (size_t)state->kind->write(line->text, i);
        write_message(line);
        state->bytes += line->len;
        if (check_line(run, state, i) < 0)
            return -1;
    }
    bench_param(run, "line_bytes", (double)state->bytes / LINES);
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct decode_state *state = run->state;

    if (!state)
        return;
    if (state->state)
        state->kind->ops->fini(state->state);
    conf_doc_free(state->doc);
    free(state->state);
    free(state->config);
    free(state->lines);
    free(state);
}

/* ---- measuring ---- */

static double ns_per_item(uint64_t items, uint64_t start_ns)
{
    return (double)(clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns) / (double)items;
}

/* jansson, from text to tree and nothing else. */
static double measure_jansson(const struct bench_run *run, const struct decode_state *state)
{
    uint64_t limit_ns = run->target_ns / 4;
    uint64_t start_ns = clock_mono_ns();
    uint64_t cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t items = 0;

    do {
        for (unsigned i = 0; i < LINES; i++)
            json_decref(json_loadb(state->lines[i].text, state->lines[i].len,
                                   JSON_REJECT_DUPLICATES, NULL));
        items += LINES;
    } while (clock_mono_ns() - start_ns < limit_ns);
    return ns_per_item(items, cpu_ns);
}

static int run_lines(struct bench_run *run)
{
    struct decode_state *state = run->state;
    struct decode_io io = {.context = state, .begin = begin, .commit = commit, .now_ns = NOW_NS};
    uint64_t cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t lines = 0, wrong = 0;
    unsigned at = 0;

    state->committed = 0;
    bench_start(run);
    do {
        for (unsigned i = 0; i < BURST; i++)
            wrong += decode_line(state, &state->lines[at + i], &io) != 0;
        lines += BURST;
        at = (at + BURST) % LINES;
    } while (bench_goes_on(run));
    bench_stop(run, lines);
    double ns = ns_per_item(lines, cpu_ns);
    if (run->value < 1e9 / ns * UNDISTURBED)
        bench_disturbed(run);
    bench_figure(run, "ns_per_message", ns);
    if (state->kind->is_json)
        bench_figure(run, "jansson_read_ns", measure_jansson(run, state));
    if (wrong > 0 || state->committed != lines)
        return bench_inexact(run, "%llu lines of %llu decoded",
                             (unsigned long long)state->committed, (unsigned long long)lines);
    return 0;
}

#define CASE(text, number)                                                                         \
    {                                                                                              \
        .name = (text), .run = run_lines, .unit = "messages/s", .setup = setup,                    \
        .teardown = teardown, .arg = &kinds[number]                                                \
    }

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        CASE("syslog-3164", 0),
        CASE("syslog-5424", 1),
        CASE("json", 2),
    };
    static const struct bench bench = {
        .name = "decode",
        .help = "Log lines through SyslogDecoder and JsonDecoder.",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases),
    };

    return bench_main(&bench, argc, argv);
}
