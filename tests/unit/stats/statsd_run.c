/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/stats/statsd_run.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "tests/unit/stats/golden_text.h"
#include "tests/unit/stats/statsd_plain.h"

static void put(struct statsd_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct statsd_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(run->notices + run->notices_len, RUN_NOTICES_SIZE - run->notices_len,
                        format, args);
    va_end(args);
    if (run->notices_len + (size_t)len < RUN_NOTICES_SIZE)
        run->notices_len += (size_t)len;
}

static void put_text(struct statsd_run *run, const char *key, struct statsd_text text)
{
    char escaped[4096];
    if (text.len == 0)
        return;
    golden_escape(text.at, text.len < 1000 ? text.len : 1000, escaped, sizeof(escaped));
    put(run, " %s=%s", key, escaped);
}

static void take_notice(void *arg, const struct statsd_notice *notice)
{
    struct statsd_run *run = arg;
    put(run, "%s", notice->is_check ? "check" : "event");
    put_text(run, "name", notice->name);
    put_text(run, "text", notice->text);
    if (notice->is_check)
        put(run, " status=%d", notice->status);
    if (notice->timestamp != 0)
        put(run, " time=%" PRId64, notice->timestamp);
    put_text(run, "host", notice->hostname);
    put_text(run, "priority", notice->priority);
    put_text(run, "alert", notice->alert_type);
    put_text(run, "key", notice->aggregation_key);
    put_text(run, "source", notice->source_type);
    put_text(run, "tags", notice->tags);
    put(run, " & ");
}

static void keep(struct statsd_run *run, const struct statsd_sample *sample)
{
    struct statsd_sample *kept = &run->samples[run->count++];
    *kept = *sample;
    assert_true(run->names_used + sample->name_len <= sizeof(run->names));
    kept->name = run->names + run->names_used;
    memcpy(run->names + run->names_used, sample->name, sample->name_len);
    run->names_used += sample->name_len;
}

void statsd_run(struct statsd_run *run, const struct statsd_settings *settings, const char *bytes,
                size_t size)
{
    static struct statsd_parser parser;
    struct statsd_settings own = *settings;
    size_t offset = 0;
    own.notice = take_notice;
    own.notice_arg = run;
    run->count = 0;
    run->notices_len = 0;
    run->notices[0] = '\0';
    run->names_used = 0;
    run->copy = malloc(size + (size == 0));
    assert_non_null(run->copy);
    memcpy(run->copy, bytes, size);
    statsd_init(&parser, &own);
    parser.sender = 7;
    while (offset < size) {
        struct statsd_sample burst[STATSD_BURST];
        size_t before = offset;
        bool was_full = statsd_is_full(&parser);
        unsigned got = statsd_parse(&parser, run->copy, size, &offset, burst);
        assert_true(got <= STATSD_BURST && offset >= before && offset <= size);
        assert_true(got > 0 || offset > before || was_full);
        assert_true(got > 0 || offset == size || statsd_is_full(&parser));
        assert_true(run->count + got <= RUN_SAMPLES_MAX);
        for (unsigned i = 0; i < got; i++) {
            assert_int_equal(burst[i].sender, 7);
            keep(run, &burst[i]);
        }
        if (statsd_is_full(&parser) || got % 2 == 0)
            statsd_release(&parser);
    }
    run->counts = parser.counts;
    assert_true(statsd_single_agrees(settings, bytes, size, run->samples, run->count, &run->counts,
                                     &run->is_single));
}

void statsd_run_free(struct statsd_run *run)
{
    free(run->copy);
    run->copy = NULL;
}
