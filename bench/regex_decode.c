/* SPDX-License-Identifier: MPL-2.0
 *
 * regex_decode.c - access log lines per second through 1 to 100 alternative expressions, on one
 *                  core.
 *
 * Place:   build/PRESET/bench/regex_decode. The lines are of the combined format; half of the
 *          expressions are for one service each (a part of the path), the other half for other
 *          logs, which no line matches. A line is decoded as hekad does it: MultiDecoder,
 *          "first-wins", over PayloadRegexDecoders with timestamp and nine fields, from message to
 *          message. Figures beside it: the captures alone, and PCRE2-JIT tried one by one for the
 *          captures alone.
 * Threads: one.
 * Memory:  lines, messages and decoders are built in setup.
 * Failure: a line that goes to another expression than the one it was made for, or whose captures
 *          differ from PCRE2's, makes the case inexact.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "codec/decoder.h"
#include "codec/multi_decoder.h"
#include "codec/payload_regex.h"
#include "core/check.h"
#include "core/clock.h"
#include "matcher/capture_pcre.h"
#include "matcher/capture_set.h"

enum {
    LINES = 512,
    LINE_SIZE = 512,
    MESSAGE_ROOM = 4096,
    EXPRESSION_SIZE = 512,
    EXPRESSIONS_MAX = 100,
    BURST = 64,
    FIELDS = 9
};

#define UNDISTURBED 0.98 /* share of its core that a run must have had */

struct regex_line {
    char text[LINE_SIZE];
    struct msg_slice payload; /* of the message */
    uint8_t message[LINE_SIZE + 64];
    struct msg_view view;
    uint32_t expression; /* that matches it */
    uint32_t status;
};

struct regex_expression {
    char text[EXPRESSION_SIZE];
    char name[16];
    struct payload_regex_config config;
    void *state;
    struct capture_source source;
    struct capture_tree *tree; /* for PCRE2 alone */
    struct capture_pcre *pcre;
    struct regex_state *owner;
};

struct regex_state {
    unsigned count;
    struct regex_line *lines;
    uint64_t bytes; /* of all lines */
    struct regex_expression *expressions;
    const char *names[EXPRESSIONS_MAX];
    struct capture_set *set;
    struct capture_scratch *scratch;
    struct capture_pcre_scratch *pcre_scratch;
    struct conf_doc *fields;
    struct multi_decoder_config multi_config;
    void *multi;
    uint8_t room[MESSAGE_ROOM];
    uint64_t committed, committed_bytes;
};

/* ---- the log ---- */

static uint32_t next_random(uint64_t *state, uint32_t limit)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % limit;
}

static const char *pick(uint64_t *random, const char *const *texts, uint32_t count)
{
    return texts[next_random(random, count)];
}

static void write_line(uint64_t *random, struct regex_line *line, uint32_t service, unsigned second)
{
    static const char *const agents[] = {
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/115.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/116.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
        "Gecko) Version/16.5 Mobile/15E148 Safari/604.1",
        "curl/7.88.1",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    };
    static const char *const referers[] = {"-", "-", "https://www.example.com/",
                                           "https://www.example.com/catalogue/page?sort=price",
                                           "https://search.example.org/?q=items"};
    static const char *const paths[] = {"items/%u", "api/v2/users/%u/orders?full=1",
                                        "static/images/%u.png", "search?q=term+%u&page=2"};
    static const char *const methods[] = {"GET", "GET", "GET", "POST", "HEAD"};
    static const char *const users[] = {"-", "-", "-", "alice", "bob.smith"};
    static const unsigned statuses[] = {200, 200, 200, 304, 404, 500};
    char path[64];

    snprintf(path, sizeof path, pick(random, paths, 4), next_random(random, 100000));
    line->status = statuses[next_random(random, 6)];
    snprintf(line->text, sizeof line->text,
             "%u.%u.%u.%u - %s [15/Mar/2013:12:%02u:%02u -0700] \"%s /service-%u/%s HTTP/1.1\" "
             "%u %u \"%s\" \"%s\"",
             1 + next_random(random, 223), next_random(random, 256), next_random(random, 256),
             next_random(random, 256), pick(random, users, 5), second / 60 % 60, second % 60,
             pick(random, methods, 5), service, path, line->status, next_random(random, 1000000),
             pick(random, referers, 5), pick(random, agents, 5));
}

/* The message as an input makes it. */
static void write_message(uint64_t *random, struct regex_line *line)
{
    struct msg_builder builder;
    uint8_t uuid[MSG_UUID_SIZE];

    msg_uuid_from_random(uuid, next_random(random, UINT32_MAX), next_random(random, UINT32_MAX));
    msg_builder_init(&builder, line->message, sizeof line->message);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1363375227000000000);
    msg_builder_type(&builder, "log", 3);
    msg_builder_payload(&builder, line->text, strlen(line->text));
    msg_builder_hostname(&builder, "web-1", 5);
    CHECK(msg_builder_finish(&builder) > 0 &&
          msg_view_init(&line->view, line->message, builder.size) == 0);
    line->payload = line->view.payload;
}

static int write_lines(struct regex_state *state, uint64_t seed, unsigned lines_per_s)
{
    uint32_t services = state->count > 1 ? state->count / 2 : 1;

    state->lines = calloc(LINES, sizeof *state->lines);
    if (!state->lines)
        return -1;
    for (unsigned i = 0; i < LINES; i++) {
        uint32_t service = next_random(&seed, services);

        write_line(&seed, &state->lines[i], service, i / lines_per_s);
        write_message(&seed, &state->lines[i]);
        state->lines[i].expression = state->count > 1 ? 2 * service + 1 : 0;
        state->bytes += state->lines[i].payload.len;
    }
    return 0;
}

/* ---- the expressions ---- */

/* The combined format of Apache and nginx, as one would write it down. */
static void write_access(char *text, size_t size, const char *service)
{
    snprintf(text, size,
             "^(?P<Client>\\S+) \\S+ (?P<User>\\S+) \\[(?P<Timestamp>[^\\]]+)\\] "
             "\"(?P<Verb>[A-Z]+) (?P<Path>%s\\S*)(?: HTTP/(?P<Version>[\\d.]+))?\" "
             "(?P<Status>\\d{3}) (?P<Bytes>\\d+|-) \"(?P<Referrer>[^\"]*)\" \"(?P<Agent>[^\"]*)\"$",
             service);
}

static void write_other(char *text, size_t size, unsigned number)
{
    static const char *const forms[] = {
        "^(?P<Timestamp>\\w{3} [ \\d]\\d [\\d:]{8}) (?P<Client>\\S+) "
        "daemon-%u\\[(?P<Pid>\\d+)\\]: "
        "(?P<Path>.*)$",
        "^(?P<Timestamp>[\\d/]{10} [\\d:]{8}) \\[error\\] (?P<Pid>\\d+)#\\d+: \\*\\d+ "
        "(?P<Path>[^,]*), client: (?P<Client>[^,]+), server: site%u\\.example\\.com",
        "^(?P<Timestamp>\\S+ \\S+) LOG:  duration: (?P<Path>[\\d.]+) ms  statement: .* FROM "
        "table_%u",
        "^(?P<Client>[\\d.]+):\\d+ \\[(?P<Timestamp>[^\\]]+)\\] frontend-%u (?P<Path>\\S+) ",
        "queue-%u: (?P<Path>[0-9A-F]{10,}): to=<(?P<User>[^>]*)>.* status=(?P<Status>\\w+)",
    };

    snprintf(text, size, forms[number % 5], number);
}

static void write_expressions(struct regex_state *state)
{
    for (unsigned i = 0; i < state->count; i++) {
        struct regex_expression *expression = &state->expressions[i];
        char service[32] = "";

        if (state->count > 1)
            snprintf(service, sizeof service, "/service-%u/", i / 2);
        if (state->count > 1 && i % 2 == 0)
            write_other(expression->text, sizeof expression->text, i / 2);
        else
            write_access(expression->text, sizeof expression->text, service);
        snprintf(expression->name, sizeof expression->name, "sub%u", i);
        state->names[i] = expression->name;
        expression->owner = state;
    }
}

/* ---- the host of the decoders ---- */

static int match_source(void *context, struct msg_slice text, const struct msg_slice **values)
{
    const struct regex_expression *expression = context;
    const struct regex_state *state = expression->owner;

    return capture_set_match(state->set, state->scratch, expression->source.index, text, values);
}

static int64_t next_source(void *set_context, uint32_t from, struct msg_slice text)
{
    const struct regex_state *state = set_context;

    return capture_set_next(state->set, state->scratch, from, text);
}

static int add_expression(void *context, const char *regex, struct capture_source *source,
                          struct err *err)
{
    struct regex_expression *expression = context;
    struct regex_state *state = expression->owner;
    struct regex_fault fault;
    int64_t index = capture_set_add(state->set, regex, strlen(regex), &fault);

    if (index < 0)
        return err_add(err, "%s", fault.text);
    expression->source = (struct capture_source){
        .names = capture_set_names(state->set, (uint32_t)index),
        .match = match_source,
        .context = expression,
        .next = next_source,
        .set_context = state,
        .index = (uint32_t)index,
    };
    *source = expression->source;
    return 0;
}

static int make_sub(void *context, const char *name, struct decoder *decoder, struct err *err)
{
    struct regex_state *state = context;
    struct regex_expression *expression = &state->expressions[strtoul(name + 3, NULL, 10)];
    struct decoder_host host = {.context = expression, .compile = add_expression};

    expression->config = (struct payload_regex_config){
        .match_regex = expression->text,
        .message_fields = conf_root(state->fields),
        .timestamp_layout = "02/Jan/2006:15:04:05 -0700",
        .timestamp_location = "",
        .log_errors = true,
    };
    expression->state = calloc(1, payload_regex_decoder.plugin.state_size);
    if (!expression->state)
        return err_add(err, "out of memory");
    *decoder =
        (struct decoder){&payload_regex_decoder, expression->state, &expression->config, name};
    return payload_regex_decoder.init(expression->state, &expression->config, &host, err);
}

static int make_decoders(struct bench_run *run, struct regex_state *state)
{
    static const char fields[] =
        "Type = 'access'\nClient = '%Client%'\nUser = '%User%'\nVerb = '%Verb%'\n"
        "Path|uri = '%Path%'\nVersion = '%Version%'\nStatus = '%Status%'\nBytes|B = '%Bytes%'\n"
        "Referrer = '%Referrer%'\nAgent = '%Agent%'\n";
    struct decoder_host host = {.context = state, .find = make_sub};
    struct err err = {0};

    state->multi = calloc(1, multi_decoder.plugin.state_size);
    state->expressions = calloc(state->count, sizeof *state->expressions);
    if (!state->multi || !state->expressions || capture_set_new(&state->set) < 0)
        return bench_error(run, "out of memory");
    write_expressions(state);
    if (toml_parse(fields, sizeof fields - 1, "fields", NULL, &state->fields, &err) < 0)
        return bench_error(run, "%s", err.texts[0]);
    state->multi_config.subs = (struct schema_list){state->names, state->count};
    if (multi_decoder.init(state->multi, &state->multi_config, &host, &err) < 0)
        return bench_error(run, "%s", err.texts[0]);
    return 0;
}

static int make_pcres(struct regex_state *state)
{
    struct regex_fault fault;
    int rc = capture_pcre_scratch_new(&state->pcre_scratch);

    for (unsigned i = 0; i < state->count && rc == 0; i++) {
        struct regex_expression *expression = &state->expressions[i];

        rc =
            capture_tree_new(expression->text, strlen(expression->text), &expression->tree, &fault);
        if (rc == 0)
            rc = capture_pcre_new(expression->tree, true, &expression->pcre);
    }
    return rc;
}

/* ---- runs ---- */

static uint8_t *begin(void *context, size_t *capacity)
{
    struct regex_state *state = context;

    *capacity = sizeof state->room;
    return state->room;
}

static void commit(void *context, size_t size)
{
    struct regex_state *state = context;

    state->committed++;
    state->committed_bytes += size;
    bench_keep(state->room);
}

static int decode_line(struct regex_state *state, const struct regex_line *line,
                       struct decode_io *io)
{
    capture_scratch_forget(state->scratch);
    return multi_decoder.decode(state->multi, &state->multi_config, &line->view, io);
}

/* The number of the expression, or -1. */
static int64_t match_by_set(struct regex_state *state, const struct regex_line *line,
                            const struct msg_slice **values)
{
    int64_t index = -1;

    capture_scratch_forget(state->scratch);
    for (;;) {
        index = capture_set_next(state->set, state->scratch, (uint32_t)(index + 1), line->payload);
        if (index < 0 || capture_set_match(state->set, state->scratch, (uint32_t)index,
                                           line->payload, values) == 1)
            return index;
    }
}

static int64_t match_by_pcre(const struct regex_state *state, const struct regex_line *line,
                             uint32_t *slots)
{
    for (unsigned i = 0; i < state->count; i++) {
        if (capture_pcre_match(state->expressions[i].pcre, state->pcre_scratch, line->payload.ptr,
                               line->payload.len, slots) == 1)
            return i;
    }
    return -1;
}

static int check_line(struct bench_run *run, struct regex_state *state, struct regex_line *line)
{
    const struct msg_slice *values = NULL;
    uint32_t slots[CAPTURE_SLOTS_MAX];
    int64_t by_pcre = match_by_pcre(state, line, slots);
    int64_t by_set = match_by_set(state, line, &values);
    uint32_t groups = capture_set_names(state->set, line->expression).count;
    struct decode_io io = {.context = state, .begin = begin, .commit = commit};
    struct msg_view view;
    struct msg_field field;
    struct msg_slice status;

    if (by_set != line->expression || by_pcre != line->expression)
        return bench_inexact(run, "expression %lld and %lld instead of %u: %s", (long long)by_set,
                             (long long)by_pcre, line->expression, line->text);
    for (uint32_t i = 0; i < groups; i++) {
        size_t start = (size_t)(values[i].ptr - line->payload.ptr);

        if (start != slots[2 * i + 2] || start + values[i].len != slots[2 * i + 3])
            return bench_inexact(run, "group %u differs: %s", i, line->text);
    }
    state->committed_bytes = 0;
    if (decode_line(state, line, &io) != 0 ||
        msg_view_init(&view, state->room, state->committed_bytes) != 0 ||
        view.field_count != FIELDS || io.notes[DECODE_NOTE_TIMESTAMP] != 0 ||
        !msg_field_find(&view, "Status", 6, 0, &field) || !msg_field_slice(&field, 0, &status) ||
        strtoul(status.ptr, NULL, 10) != line->status)
        return bench_inexact(run, "decoded wrongly: %s", line->text);
    return 0;
}

static int setup(struct bench_run *run)
{
    struct regex_state *state = calloc(1, sizeof *state);
    uint64_t start_ns = clock_mono_ns();

    run->state = state;
    if (!state)
        return bench_error(run, "out of memory");
    state->count = *(const unsigned *)run->bench_case->arg;
    if (make_decoders(run, state) < 0)
        return -1;
    if (capture_set_compile(state->set, NULL) < 0 ||
        capture_scratch_new(state->set, &state->scratch) < 0)
        return bench_error(run, "the expressions do not compile");
    bench_param(run, "compile_ms", (double)(clock_mono_ns() - start_ns) / 1e6);
    if (write_lines(state, 1, (unsigned)bench_option_value(run, "lines-per-second")) < 0 ||
        make_pcres(state) < 0)
        return bench_error(run, "out of memory");
    bench_param(run, "expressions", state->count);
    bench_param(run, "line_bytes", (double)state->bytes / LINES);
    for (unsigned i = 0; i < LINES; i++) {
        if (check_line(run, state, &state->lines[i]) < 0)
            return -1;
    }
    return 0;
}

static void teardown(struct bench_run *run)
{
    struct regex_state *state = run->state;

    if (!state)
        return;
    for (unsigned i = 0; state->expressions && i < state->count; i++) {
        struct regex_expression *expression = &state->expressions[i];

        if (expression->state)
            payload_regex_decoder.fini(expression->state);
        free(expression->state);
        capture_pcre_free(expression->pcre);
        capture_tree_free(expression->tree);
    }
    if (state->multi)
        multi_decoder.fini(state->multi);
    capture_scratch_free(state->scratch);
    capture_set_free(state->set);
    capture_pcre_scratch_free(state->pcre_scratch);
    conf_doc_free(state->fields);
    free(state->multi);
    free(state->expressions);
    free(state->lines);
    free(state);
}

/* By the time that this thread had its core since `start_ns` of its own clock. */
static double megabytes_per_cpu_second(uint64_t bytes, uint64_t start_ns)
{
    return (double)bytes / (double)(clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns) * 1e3;
}

/* Bytes a second of the captures alone, by the set or by PCRE2 one by one; lines that matched. */
static double measure_captures(const struct bench_run *run, struct regex_state *state, bool by_set,
                               uint64_t *wrong)
{
    uint64_t limit_ns = run->target_ns / 4;
    uint64_t start_ns = clock_mono_ns();
    uint64_t cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t bytes = 0;
    uint32_t slots[CAPTURE_SLOTS_MAX];

    do {
        for (unsigned i = 0; i < LINES; i++) {
            const struct regex_line *line = &state->lines[i];
            const struct msg_slice *values;
            int64_t index =
                by_set ? match_by_set(state, line, &values) : match_by_pcre(state, line, slots);

            *wrong += index != line->expression;
        }
        bytes += state->bytes;
    } while (clock_mono_ns() - start_ns < limit_ns);
    return megabytes_per_cpu_second(bytes, cpu_ns);
}

static int run_lines(struct bench_run *run)
{
    struct regex_state *state = run->state;
    struct decode_io io = {.context = state, .begin = begin, .commit = commit};
    uint64_t lines = 0;
    uint64_t bytes = 0;
    uint64_t wrong = 0;
    uint64_t cpu_ns;
    double per_cpu_second;
    unsigned at = 0;

    state->committed = 0;
    cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    bench_start(run);
    do {
        for (unsigned i = 0; i < BURST; i++) {
            wrong += decode_line(state, &state->lines[at + i], &io) != 0;
            bytes += state->lines[at + i].payload.len;
        }
        lines += BURST;
        at = (at + BURST) % LINES;
    } while (bench_goes_on(run));
    bench_stop(run, bytes);
    per_cpu_second = megabytes_per_cpu_second(bytes, cpu_ns);
    if (run->value / 1e6 < per_cpu_second * UNDISTURBED)
        bench_disturbed(run);
    bench_figure(run, "mb_per_cpu_s", per_cpu_second);
    bench_figure(run, "lines_per_s", run->value * (double)lines / (double)bytes);
    bench_result(run, run->value / 1e6, run->cycles_per_item);
    bench_figure(run, "captures_mb_per_cpu_s", measure_captures(run, state, true, &wrong));
    bench_figure(run, "pcre2_one_by_one_mb_per_cpu_s", measure_captures(run, state, false, &wrong));
    if (wrong > 0 || state->committed != lines)
        return bench_inexact(run, "%llu lines of %llu decoded, %llu wrong",
                             (unsigned long long)state->committed, (unsigned long long)lines,
                             (unsigned long long)wrong);
    return 0;
}

int main(int argc, char **argv)
{
    static const unsigned counts[] = {1, 10, 100};
    static const struct bench_case cases[] = {
        {.name = "patterns-1",
         .run = run_lines,
         .unit = "MB/s",
         .setup = setup,
         .teardown = teardown,
         .arg = &counts[0]},
        {.name = "patterns-10",
         .run = run_lines,
         .unit = "MB/s",
         .setup = setup,
         .teardown = teardown,
         .arg = &counts[1]},
        {.name = "patterns-100",
         .run = run_lines,
         .unit = "MB/s",
         .setup = setup,
         .teardown = teardown,
         .arg = &counts[2]},
    };
    static struct bench_option options[] = {
        {.name = "lines-per-second",
         .help = "lines of the log with the same timestamp",
         .value = 200,
         .min = 1,
         .max = 1000000},
    };
    static const struct bench bench = {
        .name = "regex_decode",
        .help = "Access log lines through 1 to 100 alternative expressions.",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases),
        .options = options,
        .option_count = ARRAY_COUNT(options),
    };

    return bench_main(&bench, argc, argv);
}
