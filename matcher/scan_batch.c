/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/scan_batch.h"

#include <errno.h>
#include <hs.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/regex_emit.h"
#include "matcher/regex_shape.h"
#include "matcher/utf8_text.h"

enum {
    TEXT_SIZE = SCAN_BATCH_MAX * (SCAN_BATCH_VALUE_MAX * UTF8_GROWTH_MAX + 2),
    /* A pattern reports every place where it ends, not just one for each value. Values on which
     * this happens all the time are better scanned alone, for a while. */
    HITS_PER_VALUE_MAX = 16,
    PAUSE_RUNS = 64
};

struct scan_batch {
    hs_database_t *database;
    uint32_t target_count;
    struct fire_list *fires; /* by target */
    bool *is_exact;          /* by target */
};

struct scan_batch_scratch {
    hs_scratch_t *hs;
    char *text;
    uint32_t starts[SCAN_BATCH_MAX]; /* of the values in the text */
    uint64_t *pending; /* bit v * target_count + t: value v is to be confirmed for target t */
    size_t pending_words;
    unsigned pause;
};

struct batch_run {
    const struct scan_batch *batch;
    struct scan_batch_scratch *scratch;
    const struct scan_value *const *values; /* in the text */
    unsigned count;
    const struct fire *fires;
    bool has_pending;
    uint64_t hits;
};

static unsigned flags_of(enum scan_engine engine)
{
    return engine == SCAN_CONFIRM ? HS_FLAG_PREFILTER : 0;
}

/* The pattern with separators; *pattern stays NULL when the expression does not go into a batch. */
static int write_pattern(const struct scan_source *source, enum scan_engine engine, char **pattern)
{
    unsigned coding = engine == SCAN_EXACT ? REGEX_AS_SCAN : REGEX_AS_ROUGHLY;
    struct buffer text = {0};
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *error = NULL;
    bool usable = false;
    int rc;

    if (engine == SCAN_ALWAYS || !regex_shape_of(&source->span).is_batchable)
        return 0;
    rc = regex_emit(&source->span, coding | REGEX_BATCH, &text);
    if (rc == 0)
        rc = buffer_append(&text, "", 1);
    if (rc == 0 && hs_expression_info(text.data, flags_of(engine), &info, &error) == HS_SUCCESS)
        usable = info->min_width > 0;
    free(info);
    hs_free_compile_error(error);
    if (usable)
        *pattern = text.data;
    else
        buffer_fini(&text);
    return rc;
}

struct batch_compiler {
    char **patterns;
    const char **list;
    unsigned *flags;
    unsigned *ids;
};

/* True when all patterns have been written. */
static int write_patterns(struct batch_compiler *compiler, const struct scan_source *sources,
                          uint32_t count, const struct scan_db *db, bool *complete)
{
    *complete = true;
    for (uint32_t i = 0; i < count && *complete; i++) {
        enum scan_engine engine = scan_db_engine(db, i);
        int rc = write_pattern(&sources[i], engine, &compiler->patterns[i]);

        if (rc < 0)
            return rc;
        compiler->list[i] = compiler->patterns[i];
        compiler->flags[i] = flags_of(engine);
        compiler->ids[i] = i;
        *complete = compiler->patterns[i] != NULL;
    }
    return 0;
}

/* *out stays NULL when Hyperscan refuses. */
static int compile_patterns(struct batch_compiler *compiler, const struct scan_source *sources,
                            uint32_t count, const struct scan_db *db, hs_database_t **out)
{
    hs_compile_error_t *error = NULL;
    bool complete;
    hs_error_t failed;
    int rc;

    if (!compiler->patterns || !compiler->list || !compiler->flags || !compiler->ids)
        return -ENOMEM;
    rc = write_patterns(compiler, sources, count, db, &complete);
    if (rc < 0 || !complete)
        return rc;
    failed = hs_compile_multi(compiler->list, compiler->flags, compiler->ids, count, HS_MODE_BLOCK,
                              NULL, out, &error);
    hs_free_compile_error(error);
    return failed == HS_SUCCESS || failed == HS_COMPILER_ERROR ? 0 : -ENOMEM;
}

static int compile_database(const struct scan_source *sources, uint32_t count,
                            const struct scan_db *db, hs_database_t **out)
{
    struct batch_compiler compiler = {
        .patterns = calloc(count, sizeof *compiler.patterns),
        .list = calloc(count, sizeof *compiler.list),
        .flags = calloc(count, sizeof *compiler.flags),
        .ids = calloc(count, sizeof *compiler.ids),
    };
    int rc = compile_patterns(&compiler, sources, count, db, out);

    for (uint32_t i = 0; compiler.patterns && i < count; i++)
        free(compiler.patterns[i]);
    free(compiler.patterns);
    free(compiler.list);
    free(compiler.flags);
    free(compiler.ids);
    return rc;
}

static int load_database(struct scan_reader *in, hs_database_t **out)
{
    uint32_t size;

    if ((size_t)(in->end - in->at) < sizeof size)
        return -EPROTO;
    memcpy(&size, in->at, sizeof size);
    in->at += sizeof size;
    if (size == 0)
        return 0;
    if (size > (size_t)(in->end - in->at) ||
        hs_deserialize_database((const char *)in->at, size, out) != HS_SUCCESS)
        return -EPROTO;
    in->at += size;
    return 0;
}

int scan_batch_new(const struct scan_source *sources, uint32_t count, const struct scan_db *db,
                   struct scan_reader *saved, struct scan_batch **out)
{
    struct scan_batch *batch = calloc(1, sizeof *batch);
    int rc = -ENOMEM;

    *out = NULL;
    if (!batch)
        return rc;
    batch->target_count = count;
    batch->fires = calloc(count, sizeof *batch->fires);
    batch->is_exact = calloc(count, sizeof *batch->is_exact);
    if (batch->fires && batch->is_exact)
        rc = saved ? load_database(saved, &batch->database)
                   : compile_database(sources, count, db, &batch->database);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        batch->fires[i] = sources[i].fires;
        batch->is_exact[i] = scan_db_engine(db, i) == SCAN_EXACT;
    }
    if (rc < 0 || !batch->database) {
        scan_batch_free(batch);
        return rc;
    }
    *out = batch;
    return 0;
}

void scan_batch_free(struct scan_batch *batch)
{
    if (!batch)
        return;
    hs_free_database(batch->database);
    free(batch->fires);
    free(batch->is_exact);
    free(batch);
}

int scan_batch_save(const struct scan_batch *batch, struct buffer *out)
{
    char *bytes = NULL;
    size_t size = 0;
    int rc;

    if (batch && hs_serialize_database(batch->database, &bytes, &size) != HS_SUCCESS)
        return -ENOMEM;
    rc = buffer_append(out, &(uint32_t){(uint32_t)size}, sizeof(uint32_t));
    if (rc == 0 && size > 0)
        rc = buffer_append(out, bytes, size);
    free(bytes);
    return rc;
}

int scan_batch_scratch_new(struct scan_batch_scratch **out)
{
    struct scan_batch_scratch *scratch = calloc(1, sizeof *scratch);

    if (!scratch)
        return -ENOMEM;
    scratch->text = malloc(TEXT_SIZE);
    if (!scratch->text) {
        free(scratch);
        return -ENOMEM;
    }
    *out = scratch;
    return 0;
}

void scan_batch_scratch_free(struct scan_batch_scratch *scratch)
{
    if (!scratch)
        return;
    hs_free_scratch(scratch->hs);
    free(scratch->text);
    free(scratch->pending);
    free(scratch);
}

int scan_batch_scratch_fit(struct scan_batch_scratch *scratch, const struct scan_batch *batch)
{
    size_t words = ((size_t)SCAN_BATCH_MAX * batch->target_count + 63) / 64;

    if (hs_alloc_scratch(batch->database, &scratch->hs) != HS_SUCCESS)
        return -ENOMEM;
    if (words > scratch->pending_words) {
        uint64_t *pending = calloc(words, sizeof *pending);

        if (!pending)
            return -ENOMEM;
        free(scratch->pending);
        scratch->pending = pending;
        scratch->pending_words = words;
    }
    return 0;
}

/* The value that a match ending at `end` is in: the last one that begins there or before. Behind
 * the end of a value are two separators, and a match takes at most one of them. */
static unsigned value_at(const struct batch_run *run, uint32_t end)
{
    const uint32_t *starts = run->scratch->starts;
    unsigned low = 0;
    unsigned high = run->count;

    while (high - low > 1) {
        unsigned middle = (low + high) / 2;

        if (starts[middle] <= end)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context)
{
    struct batch_run *run = context;
    unsigned value = value_at(run, (uint32_t)to);

    (void)from;
    (void)flags;
    run->hits++;
    if (LIKELY(run->batch->is_exact[id])) {
        fires_set(run->fires, run->batch->fires[id], run->values[value]->words);
    } else {
        size_t bit = (size_t)value * run->batch->target_count + id;

        run->scratch->pending[bit / 64] |= (uint64_t)1 << bit % 64;
        run->has_pending = true;
    }
    return 0;
}

/* Puts the values into the text; returns its length. */
static size_t write_text(struct batch_run *run)
{
    char *text = run->scratch->text;
    size_t at = 0;

    for (unsigned i = 0; i < run->count; i++) {
        const struct scan_value *value = run->values[i];

        text[at++] = (char)REGEX_BATCH_BEGIN;
        run->scratch->starts[i] = (uint32_t)at;
        if (LIKELY(utf8_valid_size(value->text, value->len) == value->len)) {
            memcpy(text + at, value->text, value->len);
            at += value->len;
        } else {
            at += utf8_repair(value->text, value->len, text + at);
        }
        text[at++] = (char)REGEX_BATCH_END;
    }
    return at;
}

static void confirm_pending(struct batch_run *run, const struct scan_db *db,
                            struct scan_scratch *single)
{
    size_t targets = run->batch->target_count;
    size_t words = (run->count * targets + 63) / 64;

    for (size_t w = 0; w < words; w++) {
        for (uint64_t bits = run->scratch->pending[w]; bits; bits &= bits - 1) {
            size_t bit = w * 64 + (size_t)__builtin_ctzll(bits);
            const struct scan_value *value = run->values[bit / targets];

            scan_db_confirm(db, single, (uint32_t)(bit % targets), value->text, value->len,
                            run->fires, value->words);
        }
        run->scratch->pending[w] = 0;
    }
}

/* All values are short and not empty. */
static void run_together(struct batch_run *run, const struct scan_db *db,
                         struct scan_scratch *single)
{
    size_t size = write_text(run);

    CHECK(hs_scan(run->batch->database, run->scratch->text, (unsigned)size, 0, run->scratch->hs,
                  on_match, run) == HS_SUCCESS);
    if (run->has_pending)
        confirm_pending(run, db, single);
    if (run->hits > (uint64_t)HITS_PER_VALUE_MAX * run->count)
        run->scratch->pause = PAUSE_RUNS;
}

void scan_batch_run(const struct scan_batch *batch, struct scan_batch_scratch *scratch,
                    const struct scan_db *db, struct scan_scratch *single,
                    const struct scan_value *values, unsigned count, const struct fire *fires)
{
    const struct scan_value *together[SCAN_BATCH_MAX];
    struct batch_run run = {.batch = batch, .scratch = scratch, .values = together, .fires = fires};
    bool may_batch = batch && count > 1;

    if (may_batch && scratch->pause > 0) {
        scratch->pause--;
        may_batch = false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (may_batch && values[i].len > 0 && values[i].len <= SCAN_BATCH_VALUE_MAX)
            together[run.count++] = &values[i];
        else
            scan_db_run(db, single, values[i].text, values[i].len, fires, values[i].words);
    }
    if (run.count > 0)
        run_together(&run, db, single);
}
