/* SPDX-License-Identifier: MPL-2.0
 *
 * match.c - messages per second against rule sets of 1 to 1,000 rules, on one core.
 *
 * Place:   build/PRESET/bench/match. The rules are a mix of equality, prefix, number and regular
 *          expression; rule 0 has one of each. Two figures beside the rate are for comparison: the
 *          plain evaluator, rule by rule, with PCRE2-JIT for the expressions, and PCRE2-JIT alone
 *          on the expressions that look at Payload, one by one.
 * Threads: one.
 * Memory:  messages and rules are built in setup.
 * Failure: masks that differ from the plain evaluator's make the case inexact.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/check.h"
#include "core/clock.h"
#include "matcher/evaluate.h"
#include "matcher/regex_match.h"
#include "matcher/ruleset.h"

enum { MESSAGES = 512, MESSAGE_SIZE = 256, BURST = 32, RULES_MAX = 1000, RULE_SIZE = 320 };

#define UNDISTURBED 0.98 /* share of its core that a run must have had */

struct match_state {
    unsigned rule_count;
    char (*texts)[RULE_SIZE];
    struct rule_text *rules;
    struct rule **parsed;
    struct evaluator **evaluators;
    struct regex_matcher **expressions; /* on Payload */
    unsigned expression_count;
    struct regex_match_scratch match;
    struct evaluator_scratch *evaluator_scratch;
    struct ruleset *set;
    struct ruleset_scratch *scratch;
    uint8_t (*bytes)[MESSAGE_SIZE];
    struct msg_view *views;
    uint64_t *masks;
    size_t mask_words;
    uint64_t expected; /* matching pairs of all messages */
    double compile_ms, compile_cpu_ms;
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* The test of one kind that has the number `n` in it, so that rules differ from each other. */
static int write_test(unsigned kind, unsigned n, char *text, size_t size)
{
    static const char *const expressions[] = {
        "session \\w+ closed by peer%u after \\d+ ms",
        "user%u: .*(login|logout) failed",
        "\\[(error|crit)\\] worker-%u exited",
        "GET \\/api\\/resource%u\\/[a-z]+ HTTP",
        "(?i)timeout from upstream %u",
    };
    char expression[80];

    switch (kind) {
    case 0:
        return snprintf(text, size, "Type == 'app%u.log'", n);
    case 1:
        return snprintf(text, size, "Logger =~ /^service-%u\\./", n);
    case 2:
        return snprintf(text, size, "Fields[status] >= %u && Severity < %u", 200 + n % 600,
                        n % 7 + 1);
    default:
        snprintf(expression, sizeof expression, expressions[n / 4 % ARRAY_COUNT(expressions)], n);
        return snprintf(text, size, "Payload =~ /%s/", expression);
    }
}

/* Rule 0 has a test of each kind, so that one rule asks for the same as a thousand; the others have
 * one or two kinds by turns. */
static void write_rule(unsigned n, char text[RULE_SIZE])
{
    unsigned kinds = n == 0 ? 4 : 1 + n / 4 % 2;
    size_t used = 0;

    for (unsigned i = 0; i < kinds; i++) {
        if (i > 0)
            used += (size_t)snprintf(text + used, RULE_SIZE - used, n == 0 ? " || " : " && ");
        used += (size_t)write_test((n + i) % 4, n, text + used, RULE_SIZE - used);
        CHECK(used < RULE_SIZE);
    }
}

/* What the expressions look for, with numbers that some rules have and some have not. */
static int write_payload(unsigned n, char *text, size_t size)
{
    static const char *const sentences[] = {
        "session 7f3a closed by peer%u after 17 ms",
        "user%u: from 10.1.2.3 login failed",
        "[error] worker-%u exited with code 2",
        "GET /api/resource%u/list HTTP/1.1",
        "Timeout from upstream %u",
    };
    static const char filler[] =
        "; the quick brown fox jumps over the lazy dog, again and again, while "
        "127.0.0.1 keeps asking for index.html and nothing ever goes wrong";
    int len = snprintf(text, size, sentences[n % ARRAY_COUNT(sentences)], n);

    return len + snprintf(text + len, size - (size_t)len, "%s", filler);
}

/* Members in the order of message.proto. Returns the size. */
static size_t build_message(unsigned n, int32_t severity, struct msg_slice payload,
                            uint8_t bytes[MESSAGE_SIZE])
{
    uint8_t uuid[MSG_UUID_SIZE];
    struct msg_builder builder;
    char text[64];
    int len;

    msg_uuid_from_random(uuid, n, n);
    msg_builder_init(&builder, bytes, MESSAGE_SIZE);
    msg_builder_uuid(&builder, uuid);
    msg_builder_timestamp(&builder, 1416840893000000000);
    len = snprintf(text, sizeof text, "app%u.log", n % 1500);
    msg_builder_type(&builder, text, (size_t)len);
    len = snprintf(text, sizeof text, "service-%u.web", n);
    msg_builder_logger(&builder, text, (size_t)len);
    msg_builder_severity(&builder, severity);
    msg_builder_payload(&builder, payload.ptr, payload.len);
    msg_builder_env_version(&builder, "0.8", 3);
    msg_builder_hostname(&builder, "host17.example.net", 18);
    msg_builder_field_integer(&builder, "status", 200 + n % 400, "");
    msg_builder_field_string(&builder, "verb", "GET", 3, "");
    msg_builder_field_integer(&builder, "bytes", 1000 + n, "B");
    CHECK(msg_builder_finish(&builder) > 0);
    return builder.size;
}

/* A message of exactly MESSAGE_SIZE bytes; some rules are meant to accept it. */
static void write_message(uint64_t *seed, uint8_t bytes[MESSAGE_SIZE], struct msg_view *view)
{
    unsigned n = next_random(seed) % 2000;
    int32_t severity = (int32_t)(next_random(seed) % 8);
    char text[MESSAGE_SIZE] = "";
    struct msg_slice payload = {text, 0};
    size_t room = MESSAGE_SIZE - build_message(n, severity, payload, bytes);

    payload.len = (uint32_t)(room - (room > 127)); /* a longer length takes one byte more */
    CHECK((size_t)write_payload(next_random(seed) % 2000, text, sizeof text) >= payload.len);
    CHECK(build_message(n, severity, payload, bytes) == MESSAGE_SIZE);
    CHECK(msg_view_init(view, bytes, MESSAGE_SIZE) == 0);
}

/* The expressions of a rule, for PCRE2 alone. */
static int add_expressions(struct match_state *state, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->test_count; i++) {
        struct regex_matcher **out = &state->expressions[state->expression_count];
        struct regex_span span;

        if (rule->tests[i].operand != RULE_REGEX || rule->tests[i].variable != RULE_PAYLOAD)
            continue;
        span = regex_whole(rule->tests[i].regex);
        if (regex_matcher_new(&span, out) != 0)
            return -1;
        state->expression_count++;
        if (regex_match_scratch_fit(&state->match, *out) != 0)
            return -1;
    }
    return 0;
}

static int parse_rules(struct bench_run *run, struct match_state *state)
{
    for (unsigned n = 0; n < state->rule_count; n++) {
        struct rule_fault fault;

        write_rule(n, state->texts[n]);
        state->rules[n] = (struct rule_text){"bench", state->texts[n], NULL};
        if (rule_parse(state->texts[n], &state->parsed[n], &fault) != 0)
            return bench_error(run, "%s: %s", state->texts[n], fault.text);
        if (add_expressions(state, state->parsed[n]) != 0 ||
            evaluator_new(state->parsed[n], &state->evaluators[n]) != 0 ||
            evaluator_scratch_fit(state->evaluator_scratch, state->evaluators[n]) != 0)
            return bench_error(run, "no memory");
    }
    return 0;
}

static int compile_rules(struct bench_run *run, struct match_state *state)
{
    struct err *err = calloc(1, sizeof *err);
    uint64_t start = clock_mono_ns(), cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
    int rc = ruleset_compile(state->rules, state->rule_count, &state->set, err);

    state->compile_ms = (double)(clock_mono_ns() - start) / 1e6;
    state->compile_cpu_ms = (double)(clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns) / 1e6;
    if (rc != 0)
        rc = bench_error(run, "compile: %s", err && err->count ? err->texts[0] : "no memory");
    free(err);
    if (rc == 0 && ruleset_scratch_new(state->set, &state->scratch) != 0)
        rc = bench_error(run, "no memory");
    return rc;
}

/* All messages once; returns how many pairs match. */
static uint64_t match_all(struct match_state *state)
{
    uint64_t matches = 0;

    for (unsigned m = 0; m < MESSAGES; m += BURST) {
        ruleset_match(state->set, state->scratch, state->views + m, NULL, BURST, state->masks,
                      state->mask_words);
        for (size_t w = 0; w < BURST * state->mask_words; w++)
            matches += (uint64_t)__builtin_popcountll(state->masks[w]);
    }
    return matches;
}

/* Every pair against the plain evaluator. */
static int check_all(struct bench_run *run, struct match_state *state)
{
    for (unsigned m = 0; m < MESSAGES; m++) {
        ruleset_match(state->set, state->scratch, &state->views[m], NULL, 1, state->masks,
                      state->mask_words);
        for (unsigned n = 0; n < state->rule_count; n++) {
            bool wanted =
                evaluate(state->evaluators[n], state->evaluator_scratch, &state->views[m]);

            if ((state->masks[n / 64] >> n % 64 & 1) != wanted)
                return bench_inexact(run, "message %u, rule %u: wanted %d", m, n, wanted);
            state->expected += wanted;
        }
    }
    return 0;
}

static int setup(struct bench_run *run)
{
    unsigned count = *(const unsigned *)run->bench_case->arg;
    struct match_state *state = calloc(1, sizeof *state);
    uint64_t seed = 42;

    run->state = state;
    if (!state)
        return bench_error(run, "no memory");
    state->rule_count = count;
    state->mask_words = (count + 63) / 64;
    state->texts = calloc(count, sizeof *state->texts);
    state->rules = calloc(count, sizeof *state->rules);
    state->parsed = calloc(count, sizeof *state->parsed);
    state->evaluators = calloc(count, sizeof *state->evaluators);
    state->expressions = calloc(count, sizeof *state->expressions);
    state->bytes = calloc(MESSAGES, sizeof *state->bytes);
    state->views = calloc(MESSAGES, sizeof *state->views);
    state->masks = calloc(BURST * state->mask_words, sizeof *state->masks);
    if (!state->texts || !state->rules || !state->parsed || !state->evaluators ||
        !state->expressions || !state->bytes || !state->views || !state->masks ||
        regex_match_scratch_init(&state->match) != 0 ||
        evaluator_scratch_new(&state->evaluator_scratch) != 0)
        return bench_error(run, "no memory");
    for (unsigned m = 0; m < MESSAGES; m++)
        write_message(&seed, state->bytes[m], &state->views[m]);
    bench_param(run, "rules", count);
    bench_param(run, "message_bytes", MESSAGE_SIZE);
    bench_param(run, "burst", BURST);
    if (parse_rules(run, state) != 0 || compile_rules(run, state) != 0)
        return -1;
    return check_all(run, state);
}

static void teardown(struct bench_run *run)
{
    struct match_state *state = run->state;

    if (!state)
        return;
    ruleset_scratch_free(state->scratch);
    ruleset_free(state->set);
    for (unsigned n = 0; n < state->rule_count; n++) {
        if (state->evaluators)
            evaluator_free(state->evaluators[n]);
        if (state->parsed)
            rule_free(state->parsed[n]);
    }
    for (unsigned i = 0; i < state->expression_count; i++)
        regex_matcher_free(state->expressions[i]);
    evaluator_scratch_free(state->evaluator_scratch);
    regex_match_scratch_fini(&state->match);
    free(state->texts);
    free(state->rules);
    free(state->parsed);
    free(state->evaluators);
    free(state->expressions);
    free(state->bytes);
    free(state->views);
    free(state->masks);
    free(state);
}

typedef uint64_t match_message_fn(struct match_state *state, const struct msg_view *message);

static uint64_t match_plainly(struct match_state *state, const struct msg_view *message)
{
    uint64_t matches = 0;

    for (unsigned n = 0; n < state->rule_count; n++)
        matches += evaluate(state->evaluators[n], state->evaluator_scratch, message);
    return matches;
}

static uint64_t match_expressions(struct match_state *state, const struct msg_view *message)
{
    uint64_t matches = 0;

    for (unsigned i = 0; i < state->expression_count; i++)
        matches += regex_match(state->expressions[i], &state->match, message->payload.ptr,
                               message->payload.len);
    return matches;
}

/* Messages per second of processor time, one by one, measured for a fifth of the run's time. */
static double rate_one_by_one(const struct bench_run *run, match_message_fn *match_message)
{
    struct match_state *state = run->state;
    uint64_t start = clock_mono_ns();
    uint64_t cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t messages = 0;
    uint64_t matches = 0;

    do {
        matches += match_message(state, &state->views[messages % MESSAGES]);
        messages++;
    } while (clock_mono_ns() - start < run->target_ns / 5);
    bench_keep(&matches);
    return (double)messages * 1e9 / (double)(clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns);
}

static int run_case(struct bench_run *run)
{
    struct match_state *state = run->state;
    uint64_t rounds = 0;
    uint64_t matches = 0;
    uint64_t cpu_ns;
    double per_cpu_s;

    match_all(state);
    cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    bench_start(run);
    do {
        matches += match_all(state);
        rounds++;
    } while (bench_goes_on(run));
    bench_stop(run, rounds * MESSAGES);
    per_cpu_s = (double)(rounds * MESSAGES) * 1e9 /
                (double)(clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns);
    if (run->value < per_cpu_s * UNDISTURBED)
        bench_disturbed(run);
    if (matches != rounds * state->expected)
        return bench_inexact(run, "%llu matches, wanted %llu", (unsigned long long)matches,
                             (unsigned long long)(rounds * state->expected));
    bench_figure(run, "per_cpu_s", per_cpu_s);
    bench_figure(run, "evaluator_per_s", rate_one_by_one(run, match_plainly));
    bench_figure(run, "pcre2_only_per_s", rate_one_by_one(run, match_expressions));
    bench_figure(run, "compile_ms", state->compile_ms);
    bench_figure(run, "compile_cpu_ms", state->compile_cpu_ms);
    bench_figure(run, "matches_per_message", (double)state->expected / MESSAGES);
    return 0;
}

static const unsigned sizes[] = {1, 10, 100, RULES_MAX};

#define MATCH_CASE(label, index)                                                                   \
    {                                                                                              \
        .name = label, .run = run_case, .unit = "messages/s", .setup = setup,                      \
        .teardown = teardown, .arg = &sizes[index]                                                 \
    }

static const struct bench_case cases[] = {
    MATCH_CASE("rules-1", 0),
    MATCH_CASE("rules-10", 1),
    MATCH_CASE("rules-100", 2),
    MATCH_CASE("rules-1000", 3),
};

int main(int argc, char **argv)
{
    static const struct bench bench = {
        .name = "match",
        .help = "256-byte messages against 1 to 1,000 rules on one core",
        .cases = cases,
        .case_count = ARRAY_COUNT(cases),
    };

    return bench_main(&bench, argc, argv);
}
