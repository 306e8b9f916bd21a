/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "control/rule_report.h"
#include "core/clock.h"
#include "core/log.h"

struct source {
    struct reader *reader;
    struct attachment *attachment; /* the reader holds the reference */
};

struct intake {
    struct intake_config config;
    uint32_t rings_seen; /* [consumer] of the bell, before the last look */
    bool is_holding;
    struct reader *current; /* [consumer] of the records that are not released, or NULL */

    pthread_mutex_t lock;                      /* of all below */
    struct source sources[INTAKE_SOURCES_MAX]; /* the oldest first */
    unsigned source_count;
    unsigned turn;                /* living source to look at next */
    struct reader_balance closed; /* of readers that are closed */
    struct account account;
};

struct wanted { /* the arguments of intake_next() */
    struct reader_item *items;
    unsigned count_max;
    size_t bytes_max;
};

struct intake *intake_new(const struct intake_config *config)
{
    struct intake *intake = calloc(1, sizeof(*intake));
    if (intake == NULL)
        return NULL;
    intake->config = *config;
    pthread_mutex_init(&intake->lock, NULL);
    return intake;
}

void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    for (unsigned i = 0; i < intake->source_count; i++)
        reader_close(intake->sources[i].reader);
    pthread_mutex_destroy(&intake->lock);
    free(intake);
}

/* ---- sources ---- */

static void wake(struct intake *intake)
{
    if (intake->config.bell != NULL)
        bell_ring(intake->config.bell);
}

int intake_attach(struct intake *intake, struct attachment *attachment, unsigned generation,
                  struct err *err)
{
    int rc = 0;
    struct reader *reader =
        reader_open(attachment, intake->config.consumer, generation, intake->config.policy, err);
    if (reader == NULL)
        return -1;
    if (intake->is_holding)
        reader_hold(reader);
    pthread_mutex_lock(&intake->lock);
    if (intake->source_count < INTAKE_SOURCES_MAX)
        intake->sources[intake->source_count++] = (struct source){reader, attachment};
    else
        rc = -EAGAIN;
    pthread_mutex_unlock(&intake->lock);
    if (rc != 0)
        reader_close(reader);
    wake(intake);
    return rc;
}

void intake_retire(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    for (unsigned i = 0; i < intake->source_count; i++)
        reader_retire(intake->sources[i].reader);
    pthread_mutex_unlock(&intake->lock);
    wake(intake);
}

bool intake_has_room(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    bool has_room = intake->source_count < INTAKE_SOURCES_MAX;
    pthread_mutex_unlock(&intake->lock);
    return has_room;
}

bool intake_is_drained(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    bool is_drained = intake->source_count == 0 && intake->account.held == 0;
    pthread_mutex_unlock(&intake->lock);
    return is_drained;
}

/* What a producer counted as matched and did not show before it died was never in a lane. */
static void end_unseen(struct intake *intake, struct reader_balance *balance)
{
    uint64_t seen = balance->read + balance->lost + balance->dropped + balance->in_flight;
    if (balance->matched > seen) {
        log_error("'%s': %llu messages were never shown by a data plane that died",
                  intake->config.name, (unsigned long long)(balance->matched - seen));
        ends_add(&intake->account.ends, "unpublished", balance->matched - seen);
        balance->read += balance->matched - seen;
    }
    if (balance->lost > 0)
        ends_add(&intake->account.ends, "lane_corrupt", balance->lost);
    if (balance->dropped > 0)
        ends_add(&intake->account.ends, "lane_drop", balance->dropped);
    balance->read += balance->lost + balance->dropped;
}

static void close_source(struct intake *intake, unsigned index)
{
    struct reader *reader = intake->sources[index].reader;
    struct reader_balance balance;
    reader_balance(reader, &balance);
    end_unseen(intake, &balance);
    intake->closed.matched += balance.matched;
    intake->closed.read += balance.read;
    intake->closed.lane_full += balance.lane_full;
    intake->source_count--;
    for (unsigned i = index; i < intake->source_count; i++)
        intake->sources[i] = intake->sources[i + 1];
    reader_close(reader);
}

/* ---- reading ---- */

/* Records of one source; 0 and *is_closed when it has no more for ever. */
static unsigned take_from(struct intake *intake, unsigned index, const struct wanted *wanted,
                          bool *is_closed)
{
    struct reader *reader = intake->sources[index].reader;
    unsigned count = reader_next(reader, wanted->items, wanted->count_max, wanted->bytes_max);
    *is_closed = count == 0 && reader_is_finished(reader);
    if (count > 0)
        intake->current = reader;
    if (*is_closed)
        close_source(intake, index);
    return count;
}

static unsigned take_from_dead(struct intake *intake, const struct wanted *wanted)
{
    unsigned index = 0;
    while (index < intake->source_count) {
        bool is_closed = false;
        unsigned count = 0;
        if (attachment_is_final(intake->sources[index].attachment))
            count = take_from(intake, index, wanted, &is_closed);
        if (count > 0)
            return count;
        index += !is_closed;
    }
    return 0;
}

static unsigned take_in_turn(struct intake *intake, const struct wanted *wanted)
{
    for (unsigned left = intake->source_count; left > 0; left--) {
        bool is_closed;
        unsigned index = intake->turn < intake->source_count ? intake->turn : 0;
        unsigned count = take_from(intake, index, wanted, &is_closed);
        intake->turn = is_closed ? index : index + 1;
        if (count > 0)
            return count;
    }
    return 0;
}

unsigned intake_next(struct intake *intake, struct reader_item *items, unsigned count_max,
                     size_t bytes_max)
{
    struct wanted wanted = {items, count_max, bytes_max};
    unsigned count = 0;
    if (intake->config.bell != NULL)
        intake->rings_seen = bell_rings(intake->config.bell);
    pthread_mutex_lock(&intake->lock);
    if (intake->current != NULL)
        count = reader_next(intake->current, items, count_max, bytes_max);
    else if ((count = take_from_dead(intake, &wanted)) == 0)
        count = take_in_turn(intake, &wanted);
    intake->account.held += count;
    pthread_mutex_unlock(&intake->lock);
    rule_samples_offer(items, count);
    return count;
}

void intake_wait(struct intake *intake, uint64_t timeout_ns)
{
    if (timeout_ns > INTAKE_WAIT_MS_MAX * CLOCK_NS_PER_MS)
        timeout_ns = INTAKE_WAIT_MS_MAX * CLOCK_NS_PER_MS;
    if (intake->config.bell != NULL) {
        bell_wait(intake->config.bell, intake->rings_seen, timeout_ns);
        return;
    }
    if (timeout_ns > CLOCK_NS_PER_MS)
        timeout_ns = CLOCK_NS_PER_MS;
    struct timespec pause = {0, (long)timeout_ns};
    nanosleep(&pause, NULL);
}

void intake_deliver(struct intake *intake, uint64_t count)
{
    pthread_mutex_lock(&intake->lock);
    account_deliver(&intake->account, count);
    pthread_mutex_unlock(&intake->lock);
}

void intake_end(struct intake *intake, const char *reason, uint64_t count)
{
    pthread_mutex_lock(&intake->lock);
    account_end(&intake->account, reason, count);
    pthread_mutex_unlock(&intake->lock);
}

void intake_release(struct intake *intake, uint64_t end)
{
    pthread_mutex_lock(&intake->lock);
    reader_release(intake->current, end);
    pthread_mutex_unlock(&intake->lock);
}

void intake_release_all(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    reader_release_all(intake->current);
    intake->current = NULL;
    pthread_mutex_unlock(&intake->lock);
}

void intake_hold(struct intake *intake)
{
    CHECK(intake->source_count == 0);
    intake->is_holding = true;
}

void intake_let_go(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    for (unsigned i = 0; i < intake->source_count; i++)
        reader_let_go(intake->sources[i].reader);
    pthread_mutex_unlock(&intake->lock);
}

bool intake_should_let_go(struct intake *intake)
{
    bool should = false;
    pthread_mutex_lock(&intake->lock);
    for (unsigned i = 0; i < intake->source_count && !should; i++)
        should = reader_should_let_go(intake->sources[i].reader);
    pthread_mutex_unlock(&intake->lock);
    return should;
}

void intake_skip(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    for (unsigned i = 0; i < intake->source_count; i++)
        reader_skip(intake->sources[i].reader);
    pthread_mutex_unlock(&intake->lock);
}

/* ---- accounts ---- */

static void add_sources(const struct intake *intake, struct intake_status *status)
{
    uint64_t lost = 0, dropped = 0;
    for (unsigned i = 0; i < intake->source_count; i++) {
        struct reader_balance balance;
        reader_balance(intake->sources[i].reader, &balance);
        status->matched += balance.matched;
        status->lane_full += balance.lane_full;
        status->read += balance.read + balance.lost + balance.dropped;
        status->in_flight += balance.in_flight;
        lost += balance.lost;
        dropped += balance.dropped;
    }
    if (lost > 0)
        ends_add(&status->ends, "lane_corrupt", lost);
    if (dropped > 0)
        ends_add(&status->ends, "lane_drop", dropped);
}

void intake_status(struct intake *intake, struct intake_status *status)
{
    pthread_mutex_lock(&intake->lock);
    *status = (struct intake_status){
        .matched = intake->closed.matched,
        .lane_full = intake->closed.lane_full,
        .read = intake->closed.read,
        .held = intake->account.held,
        .delivered = intake->account.delivered,
        .ends = intake->account.ends,
    };
    add_sources(intake, status);
    pthread_mutex_unlock(&intake->lock);
    status->residual =
        account_residual(status->matched, status->read + status->in_flight) +
        account_residual(status->read, status->delivered + ends_sum(&status->ends) + status->held);
}
