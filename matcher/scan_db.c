/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/scan_db.h"

#include <errno.h>
#include <hs.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "matcher/regex_emit.h"
#include "matcher/regex_match.h"
#include "matcher/regex_shape.h"

struct scan_target {
    struct fire_list fires;
    struct regex_matcher *matcher; /* NULL for SCAN_EXACT */
    enum scan_engine engine;
};

struct scan_db {
    struct scan_target *targets;
    uint32_t count;
    hs_database_t **databases;
    uint32_t database_count;
    uint32_t *always; /* targets of SCAN_ALWAYS */
    uint32_t always_count;
    uint32_t *on_empty; /* targets that match the empty value */
    uint32_t on_empty_count;
    bool wants_utf8;
};

struct scan_scratch {
    hs_scratch_t *hs;
    struct regex_match_scratch match;
    uint32_t *candidates; /* targets to confirm */
    uint32_t candidate_count;
    uint32_t candidate_capacity;
};

struct scan_compiler {
    struct scan_db *db;
    const struct scan_source *sources;
    char **patterns; /* what Hyperscan gets */
    const char **list;
    unsigned *flags;
    unsigned *ids;
    uint64_t weight; /* of all patterns */
};

static unsigned flags_of(enum scan_engine engine)
{
    return HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY |
           (engine == SCAN_CONFIRM ? HS_FLAG_PREFILTER : 0);
}

/* The pattern that Hyperscan gets for that engine. */
static int write_pattern(const struct scan_source *source, enum scan_engine engine, char **out)
{
    enum regex_coding coding = engine == SCAN_EXACT ? REGEX_AS_SCAN : REGEX_AS_ROUGHLY;
    struct buffer text = {0};
    int rc = regex_emit(&source->span, coding, &text);

    if (rc == 0)
        rc = buffer_append(&text, "", 1);
    if (rc < 0) {
        buffer_fini(&text);
        return rc;
    }
    free(*out);
    *out = text.data;
    return 0;
}

static bool is_accepted(const char *pattern, enum scan_engine engine)
{
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *error = NULL;
    bool accepted = hs_expression_info(pattern, flags_of(engine), &info, &error) == HS_SUCCESS;

    free(info);
    hs_free_compile_error(error);
    return accepted;
}

/* The first engine from `engine` on that takes the expression; its pattern is in
 * patterns[index]. */
static int choose_engine(struct scan_compiler *compiler, uint32_t index, enum scan_engine engine)
{
    const struct scan_source *source = &compiler->sources[index];
    struct regex_shape shape = regex_shape_of(&source->span);
    uint32_t weight = shape.exact_weight;

    if (engine == SCAN_EXACT && (!shape.is_scannable || weight > SCAN_WEIGHT_MAX))
        engine = SCAN_CONFIRM;
    for (; engine < SCAN_ALWAYS; engine++) {
        int rc;

        weight = engine == SCAN_EXACT ? shape.exact_weight : shape.rough_weight;
        if (weight > SCAN_WEIGHT_MAX)
            continue;
        rc = write_pattern(source, engine, &compiler->patterns[index]);
        if (rc < 0)
            return rc;
        if (is_accepted(compiler->patterns[index], engine))
            break;
    }
    if (engine < SCAN_ALWAYS)
        compiler->weight += weight;
    compiler->db->targets[index].engine = engine;
    return 0;
}

static int keep_database(struct scan_db *db, hs_database_t *database)
{
    hs_database_t **grown =
        realloc(db->databases, (db->database_count + 1) * sizeof(hs_database_t *));

    if (!grown) {
        hs_free_database(database);
        return -ENOMEM;
    }
    db->databases = grown;
    db->databases[db->database_count++] = database;
    return 0;
}

/* Moves the `n`-th of the list to the next engine; when it leaves Hyperscan, off the list. */
static int demote(struct scan_compiler *compiler, unsigned *ids, unsigned *count, unsigned n)
{
    const struct scan_target *target = &compiler->db->targets[ids[n]];
    int rc = choose_engine(compiler, ids[n], target->engine + 1);

    if (rc == 0 && target->engine == SCAN_ALWAYS) {
        memmove(ids + n, ids + n + 1, (*count - n - 1) * sizeof *ids);
        --*count;
    }
    return rc;
}

/* One try at the targets `ids`. Returns 0, 1 when *culprit (-1: the whole) was refused, or
 * -ENOMEM. */
static int try_compile(struct scan_compiler *compiler, const unsigned *ids, unsigned count,
                       int *culprit)
{
    hs_database_t *database = NULL;
    hs_compile_error_t *error = NULL;
    hs_error_t rc;

    for (unsigned i = 0; i < count; i++) {
        compiler->list[i] = compiler->patterns[ids[i]];
        compiler->flags[i] = flags_of(compiler->db->targets[ids[i]].engine);
    }
    rc = hs_compile_multi(compiler->list, compiler->flags, ids, count, HS_MODE_BLOCK, NULL,
                          &database, &error);
    if (rc == HS_SUCCESS)
        return keep_database(compiler->db, database);
    *culprit = error ? error->expression : -1;
    hs_free_compile_error(error);
    return rc == HS_COMPILER_ERROR ? 1 : -ENOMEM;
}

/* Compiles the targets `ids`; what is refused goes to another engine, what is too large together is
 * compiled in halves. */
static int compile_group(struct scan_compiler *compiler, unsigned *ids, unsigned count)
{
    while (count > 0) {
        int culprit = -1;
        int rc = try_compile(compiler, ids, count, &culprit);

        if (rc <= 0)
            return rc;
        if (count == 1 || (culprit >= 0 && (unsigned)culprit < count)) {
            rc = demote(compiler, ids, &count, count == 1 ? 0 : (unsigned)culprit);
        } else {
            rc = compile_group(compiler, ids, count / 2);
            ids += count / 2;
            count -= count / 2;
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int compile_all(struct scan_compiler *compiler)
{
    struct scan_db *db = compiler->db;
    unsigned count = 0;
    bool has_platform = hs_valid_platform() == HS_SUCCESS;

    for (uint32_t i = 0; i < db->count; i++) {
        int rc = choose_engine(compiler, i, has_platform ? SCAN_EXACT : SCAN_ALWAYS);

        if (rc < 0)
            return rc;
        if (db->targets[i].engine < SCAN_ALWAYS)
            compiler->ids[count++] = i;
    }
    if (compiler->weight > SCAN_WEIGHTS_MAX)
        return -E2BIG;
    return compile_group(compiler, compiler->ids, count);
}

static int compile(struct scan_db *db, const struct scan_source *sources)
{
    struct scan_compiler compiler = {
        .db = db,
        .sources = sources,
        .patterns = calloc(db->count, sizeof *compiler.patterns),
        .list = calloc(db->count, sizeof *compiler.list),
        .flags = calloc(db->count, sizeof *compiler.flags),
        .ids = calloc(db->count, sizeof *compiler.ids),
    };
    int rc = -ENOMEM;

    if (compiler.patterns && compiler.list && compiler.flags && compiler.ids)
        rc = compile_all(&compiler);
    for (uint32_t i = 0; compiler.patterns && i < db->count; i++)
        free(compiler.patterns[i]);
    free(compiler.patterns);
    free(compiler.list);
    free(compiler.flags);
    free(compiler.ids);
    return rc;
}

static bool read_u32(struct scan_reader *in, uint32_t *value)
{
    if ((size_t)(in->end - in->at) < sizeof *value)
        return false;
    memcpy(value, in->at, sizeof *value);
    in->at += sizeof *value;
    return true;
}

/* Reads what scan_db_save() wrote. */
static int load(struct scan_db *db, struct scan_reader *in)
{
    uint32_t databases;
    uint32_t value;

    for (uint32_t i = 0; i < db->count; i++) {
        if (!read_u32(in, &value) || value >= SCAN_ENGINES)
            return -EPROTO;
        db->targets[i].engine = (enum scan_engine)value;
    }
    if (!read_u32(in, &databases) || databases > db->count)
        return -EPROTO;
    for (uint32_t i = 0; i < databases; i++) {
        hs_database_t *database = NULL;
        int rc;

        if (!read_u32(in, &value) || value > (size_t)(in->end - in->at))
            return -EPROTO;
        if (hs_deserialize_database((const char *)in->at, value, &database) != HS_SUCCESS)
            return -EPROTO;
        in->at += value;
        rc = keep_database(db, database);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Whether the expression matches the empty value, about which Hyperscan is not asked. */
static int matches_empty(const struct regex_span *span, bool *result)
{
    struct regex_run_scratch scratch = {0};
    struct regex_program *program = NULL;
    int rc = regex_program_new(span, &program);

    if (rc == 0)
        rc = regex_run_scratch_fit(&scratch, program);
    if (rc == 0)
        *result = regex_run(program, &scratch, "", 0) == 1;
    regex_run_scratch_fini(&scratch);
    regex_program_free(program);
    return rc;
}

/* Everything about a target that is not Hyperscan's. */
static int add_target(struct scan_db *db, const struct scan_source *source, uint32_t index)
{
    struct scan_target *target = &db->targets[index];
    bool on_empty = false;
    int rc = matches_empty(&source->span, &on_empty);

    if (rc == 0 && target->engine != SCAN_EXACT)
        rc = regex_matcher_new(&source->span, &target->matcher);
    if (on_empty)
        db->on_empty[db->on_empty_count++] = index;
    if (target->engine == SCAN_ALWAYS)
        db->always[db->always_count++] = index;
    target->fires = source->fires;
    db->wants_utf8 |= source->utf8;
    return rc;
}

static int add_targets(struct scan_db *db, const struct scan_source *sources)
{
    int rc = 0;

    for (uint32_t i = 0; i < db->count && rc == 0; i++)
        rc = add_target(db, &sources[i], i);
    return rc;
}

int scan_db_new(const struct scan_source *sources, uint32_t count, struct scan_reader *saved,
                struct scan_db **out)
{
    struct scan_db *db = calloc(1, sizeof *db);
    int rc = -ENOMEM;

    if (!db)
        return rc;
    db->count = count;
    db->targets = calloc(count, sizeof *db->targets);
    db->always = calloc(count, sizeof *db->always);
    db->on_empty = calloc(count, sizeof *db->on_empty);
    if (!db->targets || !db->always || !db->on_empty)
        goto out;
    rc = saved ? load(db, saved) : compile(db, sources);
    if (rc == 0)
        rc = add_targets(db, sources);
    if (rc == 0) {
        *out = db;
        db = NULL;
    }
out:
    scan_db_free(db);
    return rc;
}

void scan_db_free(struct scan_db *db)
{
    if (!db)
        return;
    for (uint32_t i = 0; i < db->database_count; i++)
        hs_free_database(db->databases[i]);
    for (uint32_t i = 0; db->targets && i < db->count; i++)
        regex_matcher_free(db->targets[i].matcher);
    free(db->databases);
    free(db->targets);
    free(db->always);
    free(db->on_empty);
    free(db);
}

int scan_db_save(const struct scan_db *db, struct buffer *out)
{
    int rc = 0;

    for (uint32_t i = 0; i < db->count && rc == 0; i++)
        rc = buffer_append(out, &(uint32_t){(uint32_t)db->targets[i].engine}, sizeof(uint32_t));
    if (rc == 0)
        rc = buffer_append(out, &db->database_count, sizeof db->database_count);
    for (uint32_t i = 0; i < db->database_count && rc == 0; i++) {
        char *bytes = NULL;
        size_t size = 0;

        if (hs_serialize_database(db->databases[i], &bytes, &size) != HS_SUCCESS)
            return -ENOMEM;
        rc = buffer_append(out, &(uint32_t){(uint32_t)size}, sizeof(uint32_t));
        if (rc == 0)
            rc = buffer_append(out, bytes, size);
        free(bytes);
    }
    return rc;
}

enum scan_engine scan_db_engine(const struct scan_db *db, uint32_t index)
{
    return db->targets[index].engine;
}

int scan_scratch_new(struct scan_scratch **out)
{
    struct scan_scratch *scratch = calloc(1, sizeof *scratch);
    int rc = scratch ? regex_match_scratch_init(&scratch->match) : -ENOMEM;

    if (rc < 0)
        scan_scratch_free(scratch);
    else
        *out = scratch;
    return rc;
}

void scan_scratch_free(struct scan_scratch *scratch)
{
    if (!scratch)
        return;
    hs_free_scratch(scratch->hs);
    regex_match_scratch_fini(&scratch->match);
    free(scratch->candidates);
    free(scratch);
}

int scan_scratch_fit(struct scan_scratch *scratch, const struct scan_db *db)
{
    int rc = 0;

    for (uint32_t i = 0; i < db->database_count; i++) {
        if (hs_alloc_scratch(db->databases[i], &scratch->hs) != HS_SUCCESS)
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < db->count && rc == 0; i++) {
        if (db->targets[i].matcher)
            rc = regex_match_scratch_fit(&scratch->match, db->targets[i].matcher);
    }
    if (rc == 0 && db->count > scratch->candidate_capacity) {
        uint32_t *grown = realloc(scratch->candidates, db->count * sizeof *grown);

        if (!grown)
            return -ENOMEM;
        scratch->candidates = grown;
        scratch->candidate_capacity = db->count;
    }
    return rc;
}

uint64_t scan_scratch_limits(const struct scan_scratch *scratch)
{
    return scratch->match.limits;
}

struct scan_run {
    const struct scan_db *db;
    struct scan_scratch *scratch;
    const struct fire *fires;
    uint64_t *words;
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                    void *context)
{
    const struct scan_run *run = context;
    const struct scan_target *target = &run->db->targets[id];
    struct scan_scratch *scratch = run->scratch;

    (void)from;
    (void)to;
    (void)flags;
    if (LIKELY(target->engine == SCAN_EXACT))
        fires_set(run->fires, target->fires, run->words);
    else if (scratch->candidate_count < scratch->candidate_capacity)
        scratch->candidates[scratch->candidate_count++] = id;
    return 0;
}

void scan_db_confirm(const struct scan_db *db, struct scan_scratch *scratch, uint32_t index,
                     const char *text, size_t len, const struct fire *fires, uint64_t *words)
{
    const struct scan_target *target = &db->targets[index];

    if (regex_match(target->matcher, &scratch->match, text, len))
        fires_set(fires, target->fires, words);
}

void scan_db_run(const struct scan_db *db, struct scan_scratch *scratch, const char *text,
                 size_t len, const struct fire *fires, uint64_t *words)
{
    struct scan_run run = {db, scratch, fires, words};

    if (len == 0) {
        for (uint32_t i = 0; i < db->on_empty_count; i++)
            fires_set(fires, db->targets[db->on_empty[i]].fires, words);
        return;
    }
    if (db->wants_utf8 && !regex_match_repair(&scratch->match, &text, &len))
        return;
    scratch->candidate_count = 0;
    for (uint32_t i = 0; i < db->database_count; i++)
        CHECK(hs_scan(db->databases[i], text, (unsigned)len, 0, scratch->hs, on_match, &run) ==
              HS_SUCCESS);
    for (uint32_t i = 0; i < scratch->candidate_count; i++)
        scan_db_confirm(db, scratch, scratch->candidates[i], text, len, fires, words);
    for (uint32_t i = 0; i < db->always_count; i++)
        scan_db_confirm(db, scratch, db->always[i], text, len, fires, words);
}
