/* SPDX-License-Identifier: MPL-2.0 */
#include "control/stat_accum.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "stats/shard_totals.h"
#include "stats/statsd_talkers.h"

enum { ACCUMS_MAX = 1024 };

struct stat_accum {
    char *name;
    struct stat_accums *owner;
    unsigned references; /* [main] */
    pthread_mutex_t lock;
    struct shard *shard;     /* NULL: no StatAccumInput of that name has run yet */
    uint64_t handed, refused; /* since the last stat_accum_take() */
    uint64_t due_ns, late;    /* of those handed: added when it was due */
    uint32_t interval_s;
    struct stat_accum_heir *heir;
    struct talkers refused_most; /* prefixes, as of then */
};

struct stat_accums {
    struct stat_accum *list[ACCUMS_MAX];
    unsigned count;
};

/* ---- names ---- */

struct stat_accums *stat_accums_new(void)
{
    return calloc(1, sizeof(struct stat_accums));
}

static void free_accum(struct stat_accum *accum)
{
    shard_free(accum->shard);
    pthread_mutex_destroy(&accum->lock);
    free(accum->name);
    free(accum);
}

void stat_accums_free(struct stat_accums *accums)
{
    if (accums == NULL)
        return;
    for (unsigned i = 0; i < accums->count; i++) {
        CHECK(accums->list[i]->references == 0);
        free_accum(accums->list[i]);
    }
    free(accums);
}

static struct stat_accum *find_accum(const struct stat_accums *accums, const char *name)
{
    for (unsigned i = 0; i < accums->count; i++)
        if (strcmp(accums->list[i]->name, name) == 0)
            return accums->list[i];
    return NULL;
}

/* One that nobody refers to and that holds nothing gives its place to another name. */
static void drop_unused(struct stat_accums *accums)
{
    for (unsigned i = 0; i < accums->count;) {
        if (accums->list[i]->references > 0 || accums->list[i]->handed > 0) {
            i++;
            continue;
        }
        free_accum(accums->list[i]);
        accums->list[i] = accums->list[--accums->count];
    }
}

static struct stat_accum *make_accum(struct stat_accums *accums, const char *name)
{
    struct stat_accum *accum = calloc(1, sizeof(*accum));
    char *copy = strdup(name);
    if (accum == NULL || copy == NULL) {
        free(accum);
        free(copy);
        return NULL;
    }
    accum->name = copy;
    accum->owner = accums;
    pthread_mutex_init(&accum->lock, NULL);
    accums->list[accums->count++] = accum;
    return accum;
}

struct stat_accum *stat_accums_get(struct stat_accums *accums, const char *name, struct err *err)
{
    struct stat_accum *accum = find_accum(accums, name);
    if (accum == NULL) {
        drop_unused(accums);
        if (accums->count < ACCUMS_MAX)
            accum = make_accum(accums, name);
    }
    if (accum == NULL)
        err_add(err, "accumulator '%s': out of memory, or more than %d of them", name, ACCUMS_MAX);
    else
        accum->references++;
    return accum;
}

void stat_accum_put(struct stat_accum *accum)
{
    if (accum == NULL)
        return;
    CHECK(accum->references > 0);
    accum->references--;
}

/* ---- who adds ---- */

static void count_added(struct stat_accum *accum, const struct shard_totals *before,
                        const struct shard_totals *after, uint64_t *values)
{
    uint64_t accepted = shard_totals_accepted(after) - shard_totals_accepted(before);
    shard_totals_count(before, after, values);
    values[COUNTER_SAMPLES_HANDED] += accepted;
    accum->handed += accepted;
    if (accum->due_ns != 0 && accepted > 0 && clock_wall_ns() >= accum->due_ns)
        accum->late += accepted;
    accum->refused += shard_totals_refused(after) - shard_totals_refused(before);
}

void stat_accum_add(struct stat_accum *accum, const struct statsd_sample *samples, unsigned count,
                    struct counters *counters)
{
    pthread_mutex_lock(&accum->lock);
    if (accum->shard == NULL) {
        counters->values[COUNTER_SAMPLES_NO_NAME_ROOM] += count;
        accum->refused += count;
    } else {
        struct shard_totals before = {0}, after = {0};
        shard_totals_add(&before, accum->shard);
        shard_add(accum->shard, samples, count);
        shard_totals_add(&after, accum->shard);
        count_added(accum, &before, &after, counters->values);
    }
    pthread_mutex_unlock(&accum->lock);
}

void stat_accum_note(struct stat_accum *accum, struct shard_traffic *seen,
                     const struct statsd_counts *counts, uint64_t packets)
{
    pthread_mutex_lock(&accum->lock);
    if (accum->shard != NULL)
        shard_note_traffic(accum->shard, seen, counts, packets);
    pthread_mutex_unlock(&accum->lock);
}

/* What statsd_parse() refuses, too. Both ends of 64 bits are numbers that double has. */
static int reject_of(enum statsd_type type, size_t name_len, double value)
{
    if (name_len > STATSD_NAME_MAX)
        return STATSD_NAME_TOO_LONG;
    if (name_len == 0)
        return STATSD_EMPTY_NAME;
    bool is_count = value >= -0x1p63 && value < 0x1p63;
    return isfinite(value) && (type != STATSD_COUNTER || is_count) ? -1 : STATSD_BAD_VALUE;
}

void stat_accum_add_value(struct stat_accum *accum, enum statsd_type type, const char *name,
                          size_t name_len, double value, struct counters *counters)
{
    int reject = reject_of(type, name_len, value);
    counters->values[COUNTER_SAMPLES_DIRECT]++;
    if (reject >= 0) {
        counters->values[COUNTER_STATSD_REJECT_NO_COLON + reject]++;
        return;
    }
    struct statsd_sample sample = {
        .name = name,
        .name_len = (uint16_t)name_len,
        .type = (uint8_t)type,
        .hash = statsd_name_hash(name, name_len),
    };
    if (type == STATSD_COUNTER)
        sample.count = (int64_t)value;
    else
        sample.value = value + 0.0; /* never -0 */
    stat_accum_add(accum, &sample, 1, counters);
}

uint32_t stat_accum_interval_s(struct stat_accum *accum)
{
    pthread_mutex_lock(&accum->lock);
    uint32_t interval_s = accum->interval_s;
    pthread_mutex_unlock(&accum->lock);
    return interval_s;
}

/* ---- who flushes ---- */

void stat_accum_set_due(struct stat_accum *accum, uint64_t due_ns, uint32_t interval_s)
{
    pthread_mutex_lock(&accum->lock);
    accum->due_ns = due_ns;
    accum->interval_s = interval_s;
    pthread_mutex_unlock(&accum->lock);
}

void stat_accum_set_heir(struct stat_accum *accum, struct stat_accum_heir *heir)
{
    pthread_mutex_lock(&accum->lock);
    accum->heir = heir;
    pthread_mutex_unlock(&accum->lock);
}

void stat_accum_clear_heir(struct stat_accum *accum, const struct stat_accum_heir *heir)
{
    pthread_mutex_lock(&accum->lock);
    if (accum->heir == heir)
        accum->heir = NULL;
    pthread_mutex_unlock(&accum->lock);
}

bool stat_accum_hand_on(struct stat_accum *accum, struct accum *from,
                        const struct flush_times *times)
{
    pthread_mutex_lock(&accum->lock);
    bool is_done = accum->heir != NULL && accum_absorb(accum->heir->accum, from) == 0;
    if (is_done)
        accum->heir->former = *times;
    pthread_mutex_unlock(&accum->lock);
    return is_done;
}

bool stat_accum_begin(struct stat_accum *accum, struct shard *take_shard)
{
    pthread_mutex_lock(&accum->lock);
    bool is_first = accum->shard == NULL;
    if (is_first)
        accum->shard = take_shard;
    pthread_mutex_unlock(&accum->lock);
    return is_first;
}

struct shard *stat_accum_exchange(struct stat_accum *accum, struct shard *take_shard)
{
    pthread_mutex_lock(&accum->lock);
    struct shard *former = accum->shard;
    accum->shard = take_shard;
    pthread_mutex_unlock(&accum->lock);
    return former;
}

struct stat_accum_taken stat_accum_take(struct stat_accum *accum, struct accum *into)
{
    pthread_mutex_lock(&accum->lock);
    struct stat_accum_taken taken = {.samples = accum->handed, .refused = accum->refused,
                                      .late = accum->late};
    struct shard *shard = accum->shard;
    accum->handed = accum->refused = accum->late = 0;
    shard_request(shard);
    shard_poll(shard);
    accum->refused_most = (struct talkers){0};
    statsd_talkers_refused(&accum->refused_most, shard, accum->name);
    pthread_mutex_unlock(&accum->lock);
    /* The side that was handed over is ours; they add to the other one. */
    taken.flushed = accum_merge(into, shard);
    return taken;
}

void stat_accum_talkers(struct stat_accum *accum, struct talkers *talkers)
{
    pthread_mutex_lock(&accum->lock);
    for (unsigned i = 0; i < accum->refused_most.prefix_count; i++)
        talkers_add_prefix(talkers, &accum->refused_most.prefixes[i]);
    pthread_mutex_unlock(&accum->lock);
}
