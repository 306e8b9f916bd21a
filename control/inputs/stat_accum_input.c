/* SPDX-License-Identifier: MPL-2.0
 *
 * stat_accum_input.c - StatAccumInput: an accumulator of hekad, and the flush of it.
 *
 * Place:   builtin_inputs; one that inputs of the data plane feed runs there (dataplane/flush.c).
 *          What is added: control/stat_accum.h.
 * Failure: a flush waits while the lane is full; samples are added meanwhile. One that a reload
 *          replaces hands on what it has.
 * Source:  Heka 0.11 StatAccumInput (docs/formats/statsd.md).
 */
#include <errno.h>
#include <unistd.h>

#include "control/inputs/inputs.h"
#include "control/stat_accum.h"
#include "core/clock.h"
#include "stats/statmetric.h"

enum { SERIES, ACCUM_BYTES };
static const struct input_counter counters[] = {
    [SERIES] = {"series", "series known after the last flush"},
    [ACCUM_BYTES] = {"accum_bytes", "memory of the accumulator"},
    {NULL, NULL},
};

struct accum_state {
    struct input_host *host;
    const struct accum_config *config;
    struct stat_accum *feed;
    struct shard *shard; /* NULL: the feed has it */
    size_t shard_bytes;
    struct accum *accum;
    struct stat_accum_heir heir;
    struct flush_times times;
    struct statmetric_seen seen;
};

static int check(const void *options, struct err *err)
{
    const struct accum_config *config = options;
    struct accum *trial = NULL;
    int rc = 0;
    if (config->ticker_interval <= 0)
        rc = err_add(err, "ticker_interval: TickerInterval must be greater than 0.");
    if (!config->emit_in_payload && !config->emit_in_fields)
        rc = err_add(err, "emit_in_payload: One of either `EmitInPayload` or `EmitInFields` must "
                          "be set to true.");
    if (rc != 0)
        return rc;
    rc = accum_new(config, &trial, err); /* all else that it refuses */
    accum_free(trial);
    return rc;
}

static int init(void *state, const void *options, struct input_host *host, struct err *err)
{
    struct accum_state *accum = state;
    accum->host = host;
    accum->config = options;
    struct shard_limits limits = {
        .names_max = (uint32_t)accum->config->names_max,
        .timer_samples_max = (uint32_t)accum->config->timer_samples_max,
    };
    accum->feed = input_host_accum(host, input_host_name(host), err);
    if (accum->feed == NULL || accum_new(accum->config, &accum->accum, err) != 0)
        return -1;
    struct shard_guard guard = accum_guard(accum->config);
    if (shard_new(&limits, &accum->shard) != 0 || shard_set_guard(accum->shard, &guard) != 0)
        return err_add(err, "no memory for %u names", limits.names_max);
    accum->shard_bytes = shard_bytes(accum->shard);
    accum->heir.accum = accum->accum;
    stat_accum_set_heir(accum->feed, &accum->heir);
    /* Inputs that start before us may add at once. */
    if (stat_accum_begin(accum->feed, accum->shard))
        accum->shard = NULL;
    return 0;
}

/* ---- one flush ---- */

static int emit_chunk(void *arg, const struct accum_chunk *chunk)
{
    struct accum_state *accum = arg;
    struct statmetric_origin origin = {
        .message_type = accum->config->message_type,
        .logger = input_host_name(accum->host),
        .hostname = input_host_hostname(accum->host),
        .pid = (int32_t)getpid(),
    };
    struct msg_builder builder;
    input_host_begin(accum->host, &builder, accum->times.flush_ns);
    statmetric_build(&builder, &origin, chunk);
    input_host_inject(accum->host, &builder, NULL); /* or it ends as messages_stopped */
    return 0;
}

static void take(struct accum_state *accum)
{
    struct counters *ledger = input_host_counters(accum->host);
    struct stat_accum_taken taken = stat_accum_take(accum->feed, accum->accum);
    ledger->values[COUNTER_SAMPLES_TAKEN] += taken.samples;
    ledger->values[COUNTER_SAMPLES_FLUSHED] += taken.flushed;
    ledger->values[COUNTER_SAMPLES_LATE] += taken.late;
    accum_overflow(accum->accum, taken.refused);
    statmetric_collect(&accum->seen, accum->accum, ledger);
}

static void observe_series(struct accum_state *accum)
{
    uint64_t counts[STATSD_TYPE_COUNT], sum = 0;
    accum_series(accum->accum, counts);
    for (unsigned type = 0; type < STATSD_TYPE_COUNT; type++)
        sum += counts[type];
    input_host_set(accum->host, SERIES, sum);
    input_host_set(accum->host, ACCUM_BYTES, accum_bytes(accum->accum) + accum->shard_bytes);
}

static void flush(struct accum_state *accum)
{
    struct counters *ledger = input_host_counters(accum->host);
    size_t chunk_max = statmetric_chunk_max(input_host_message_max(accum->host));
    if (accum_flush(accum->accum, accum->times.flush_ns, flush_times_elapsed_s(&accum->times),
                    chunk_max, emit_chunk, accum) != 0)
        return; /* no memory: it is all there the next time */
    ledger->values[COUNTER_FLUSHES]++;
    statmetric_collect(&accum->seen, accum->accum, ledger);
    flush_times_end(&accum->times);
    observe_series(accum);
}

/* ---- all of them ---- */

static void set_due(const struct accum_state *accum)
{
    stat_accum_set_due(accum->feed, accum->times.next_ns,
                       (uint32_t)accum->config->ticker_interval);
}

/* From here on samples come to us; what the one before us had not taken yet is ours, too. */
static void begin(struct accum_state *accum)
{
    struct counters *ledger = input_host_counters(accum->host);
    struct shard *former =
        accum->shard != NULL ? stat_accum_exchange(accum->feed, accum->shard) : NULL;
    accum->shard = NULL;
    if (former != NULL) {
        shard_request(former);
        shard_poll(former);
        ledger->values[COUNTER_SAMPLES_FLUSHED] += accum_merge(accum->accum, former);
        shard_free(former);
    }
    stat_accum_clear_heir(accum->feed, &accum->heir);
    flush_times_init(&accum->times, accum->config->ticker_interval, clock_wall_ns());
    flush_times_follow(&accum->times, &accum->heir.former);
    set_due(accum);
    observe_series(accum);
}

/* Milliseconds until the next flush, rounded up. */
static int time_left_ms(const struct accum_state *accum, uint64_t now_ns)
{
    if (now_ns >= accum->times.next_ns)
        return 0;
    uint64_t left_ms = (accum->times.next_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
    return left_ms < 1000 ? (int)left_ms : 1000;
}

static void flush_if_due(struct accum_state *accum)
{
    uint64_t now_ns = clock_wall_ns();
    if (!flush_times_begin(&accum->times, now_ns))
        return;
    flush_times_count(&accum->times, now_ns, input_host_counters(accum->host));
    take(accum);
    set_due(accum);
    flush(accum);
}

static void run(void *state)
{
    struct accum_state *accum = state;
    begin(accum);
    while (input_host_wait(accum->host, NULL, 0, time_left_ms(accum, clock_wall_ns())) >= 0)
        flush_if_due(accum);
    take(accum);
    if (stat_accum_hand_on(accum->feed, accum->accum, &accum->times))
        return; /* a reload: the next flush has it all */
    flush_times_begin_now(&accum->times, clock_wall_ns());
    flush(accum); /* once more at the end, as in Heka */
}

static void show_talkers(void *state, struct talkers *talkers)
{
    struct accum_state *accum = state;
    stat_accum_talkers(accum->feed, talkers);
}

static void fini(void *state)
{
    struct accum_state *accum = state;
    if (accum->feed != NULL)
        stat_accum_clear_heir(accum->feed, &accum->heir);
    stat_accum_put(accum->feed);
    shard_free(accum->shard);
    accum_free(accum->accum);
}

const struct input_ops stat_accum_input = {
    .plugin = {PLUGIN_ABI, "StatAccumInput", &accum_schema, sizeof(struct accum_config),
               sizeof(struct accum_state)},
    .counters = counters,
    .is_in_dataplane = true,
    .ends_last = true,
    .check = check,
    .init = init,
    .run = run,
    .talkers = show_talkers,
    .fini = fini,
};
