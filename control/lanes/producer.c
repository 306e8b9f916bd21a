/* SPDX-License-Identifier: MPL-2.0 */
#include "control/lanes/producer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "control/folder.h"
#include "control/lanes/producer_folder.h"
#include "control/plugins/wait_graph.h"
#include "core/check.h"
#include "core/clock.h"

enum { FOLDER_MODE = 0750, NAME_SIZE = 256, WAIT_NS_MIN = 50000, WAIT_NS_MAX = 1000000 };

struct adoption { /* a plan with what this producer needs for it */
    struct producer_plan *plan;
    struct ruleset_scratch *scratch;
};

struct producer {
    char name[NAME_SIZE], folder[PRODUCER_FOLDER_SIZE];
    struct bell *bell;
    uint32_t slot;
    struct wait_graph *graph;
    void (*release)(void *arg);
    void *release_arg;
    struct segment segment; /* ours to write */
    struct attachment *attachment;
    int wake_fd;
    _Atomic bool is_stopped;
    _Atomic uint64_t waits_since_ns; /* for room, without any going through; 0: it does not */

    struct adoption *prepared, *last;   /* main's: made ready; offered last */
    struct adoption *freeable;          /* main's: in force before `last` was offered */
    _Atomic(struct adoption *) offered; /* main writes */
    _Atomic(struct adoption *) adopted; /* the thread writes */

    /* the thread's own */
    const struct producer_plan *plan;
    struct lane_writer lane;
    struct message_sink sink;
    struct counters counters;
    struct wait_circle circle;
};

const char *producer_code_text(int code)
{
    switch (code) {
    case PRODUCER_E_LOOPS:
        return "more hops than max_message_loops";
    case PRODUCER_E_OWN:
        return "the filter's own message_matcher accepts it";
    case PRODUCER_E_TOO_LARGE:
        return "larger than max_message_size";
    case PRODUCER_E_MALFORMED:
        return "no message";
    case PRODUCER_E_DEADLOCK:
        return "filters wait for each other";
    case PRODUCER_E_STOPPED:
        return "hekad stops";
    default:
        return "";
    }
}

/* ---- making; [main] ---- */

static void adoption_free(struct adoption *adoption)
{
    if (adoption == NULL)
        return;
    ruleset_scratch_free(adoption->scratch);
    producer_plan_put(adoption->plan);
    free(adoption);
}

static struct adoption *adoption_new(struct producer_plan *plan, struct err *err)
{
    struct adoption *adoption = calloc(1, sizeof(*adoption));
    if (adoption == NULL || ruleset_scratch_new(plan->sink.rules, &adoption->scratch) != 0) {
        free(adoption);
        err_add(err, "out of memory");
        return NULL;
    }
    adoption->plan = producer_plan_get(plan);
    return adoption;
}

static uint64_t capacity_for(uint64_t lane_bytes, uint64_t message_max)
{
    uint64_t least = PRODUCER_LANE_MESSAGES * message_max, capacity = LANE_BYTES_MIN;
    if (lane_bytes == 0)
        lane_bytes = PRODUCER_LANE_BYTES;
    while (capacity < LANE_BYTES_MAX && (capacity < lane_bytes || capacity < least))
        capacity *= 2;
    return capacity;
}

/* One lane, in a folder of its own, and mapped a second time as consumers see it. */
static int make_lane(struct producer *producer, uint64_t capacity, unsigned generation,
                     struct err *err)
{
    struct segment view;
    int rc = folder_make(producer->folder, FOLDER_MODE);
    if (rc != 0)
        return err_add(err, "%s: cannot be made: %s", producer->folder, strerror(-rc));
    const struct segment_config config = {
        .dir = producer->folder,
        .lane_count = 1,
        .consumer_count = RECORD_CONSUMERS_MAX,
        .lane_bytes = capacity,
        .generation = generation,
        .group = (gid_t)-1,
    };
    if (segment_create(&config, &producer->segment, err) != 0)
        return -1;
    lane_writer_init(&producer->lane, producer->segment.lanes[0], producer->segment.cursors,
                     RECORD_CONSUMERS_MAX, 0, capacity);
    lane_dismiss_all(&producer->lane);
    /* Pairs with the acquire load in segment_attach. */
    atomic_store_explicit(&producer->segment.header->state, SEGMENT_RUNNING, memory_order_release);
    if (segment_attach(producer->folder, &view, err) != 0)
        return err_add(err, "%s: cannot be mapped", producer->folder);
    producer->attachment = attachment_new(&view);
    if (producer->attachment == NULL) {
        segment_detach(&view);
        return err_add(err, "out of memory");
    }
    return 0;
}

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = clock_wall_ns() ^ (uint64_t)(uintptr_t)&seed;
    return seed;
}

static void publish_counters(struct producer *producer)
{
    producer->counters.values[COUNTER_MESSAGES_STAGED] =
        producer->sink.pending_count - producer->sink.done_count;
    counters_publish(&producer->segment.blocks[0], &producer->counters);
}

static void adopt(struct producer *producer, struct adoption *adoption)
{
    producer->plan = adoption->plan;
    message_sink_adopt(&producer->sink, &adoption->plan->sink, adoption->scratch);
    atomic_store_explicit(&producer->segment.header->generation,
                          (uint32_t)adoption->plan->sink.generation, memory_order_release);
    /* A1 pairs with R1 in producer_has_adopted: the plan before it is not used any more. */
    atomic_store_explicit(&producer->adopted, adoption, memory_order_release);
    publish_counters(producer);
    bell_ring(producer->bell);
}

static int make_sink(struct producer *producer, struct producer_plan *plan, struct err *err)
{
    const struct message_sink_config config = {
        .lane = &producer->lane,
        .consumers = producer->segment.consumers,
        .max_message_size = plan->sink.max_message_size,
        .counters = &producer->counters,
        .seed = random_seed(),
        .has_own = producer->slot != PRODUCER_NO_SLOT,
        .own_slot = producer->slot != PRODUCER_NO_SLOT ? producer->slot : 0,
    };
    producer->last = adoption_new(plan, err);
    if (producer->last == NULL || message_sink_init(&producer->sink, &config, err) != 0)
        return -1;
    adopt(producer, producer->last);
    return 0;
}

struct producer *producer_new(const struct producer_config *config, struct producer_plan *plan,
                              struct err *err)
{
    struct producer *producer = calloc(1, sizeof(*producer));
    if (producer == NULL) {
        err_add(err, "'%s': out of memory", config->name);
        return NULL;
    }
    snprintf(producer->name, sizeof(producer->name), "%s", config->name);
    producer->bell = config->bell;
    producer->slot = config->slot;
    producer->graph = config->graph;
    producer->release = config->release;
    producer->release_arg = config->release_arg;
    producer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK((config->slot == PRODUCER_NO_SLOT) == (config->graph == NULL));
    if (producer_folder_path(config->run_dir, config->name, config->number, producer->folder,
                             sizeof(producer->folder)) != 0)
        err_add(err, "'%s': the run directory's path is too long", config->name);
    else if (producer->wake_fd < 0)
        err_add(err, "'%s': eventfd: %s", config->name, strerror(errno));
    else if (make_lane(producer, capacity_for(config->lane_bytes, plan->sink.max_message_size),
                       (unsigned)plan->sink.generation, err) == 0 &&
             make_sink(producer, plan, err) == 0)
        return producer;
    producer_free(producer);
    return NULL;
}

void producer_free(struct producer *producer)
{
    if (producer == NULL)
        return;
    struct adoption *adopted = atomic_load_explicit(&producer->adopted, memory_order_acquire);
    if (producer->attachment != NULL)
        attachment_set_final(producer->attachment);
    attachment_put(producer->attachment);
    if (producer->segment.header != NULL)
        atomic_store_explicit(&producer->segment.header->state, SEGMENT_STOPPED,
                              memory_order_release);
    message_sink_fini(&producer->sink);
    segment_detach(&producer->segment);
    adoption_free(producer->prepared);
    if (producer->freeable != adopted)
        adoption_free(producer->freeable);
    if (producer->last != adopted)
        adoption_free(producer->last);
    adoption_free(adopted);
    if (producer->wake_fd >= 0)
        close(producer->wake_fd);
    free(producer);
}

struct attachment *producer_attachment(struct producer *producer)
{
    return producer->attachment;
}

const char *producer_name(const struct producer *producer)
{
    return producer->name;
}

const char *producer_folder(const struct producer *producer)
{
    return producer->folder;
}

/* ---- generations and the end; [main] ---- */

static void wake(struct producer *producer)
{
    uint64_t one = 1;
    ssize_t put = write(producer->wake_fd, &one, sizeof(one));
    (void)put; /* a full counter is readable, too */
    bell_ring(producer->bell);
}

int producer_prepare(struct producer *producer, struct producer_plan *plan, struct err *err)
{
    CHECK(producer->prepared == NULL && producer_has_adopted(producer));
    if (plan->sink.max_message_size > producer->last->plan->sink.max_message_size)
        return err_add(err, "max_message_size: a reload cannot raise it; restart hekad");
    producer->prepared = adoption_new(plan, err);
    return producer->prepared != NULL ? 0 : -1;
}

void producer_forget(struct producer *producer)
{
    adoption_free(producer->prepared);
    producer->prepared = NULL;
}

void producer_offer(struct producer *producer)
{
    CHECK(producer->prepared != NULL && producer->freeable == NULL);
    producer->freeable = producer->last;
    producer->last = producer->prepared;
    producer->prepared = NULL;
    /* R2 pairs with A2 in adopt_offered: the plan is whole. */
    atomic_store_explicit(&producer->offered, producer->last, memory_order_release);
    wake(producer);
}

bool producer_has_adopted(struct producer *producer)
{
    /* R1 pairs with A1 in adopt. */
    if (atomic_load_explicit(&producer->adopted, memory_order_acquire) != producer->last)
        return false;
    adoption_free(producer->freeable);
    producer->freeable = NULL;
    return true;
}

void producer_stop(struct producer *producer)
{
    atomic_store_explicit(&producer->is_stopped, true, memory_order_relaxed);
    wake(producer);
}

void producer_counters(struct producer *producer, struct counters *sum)
{
    counters_read(&producer->segment.blocks[0], sum);
}

uint64_t producer_waits_since_ns(const struct producer *producer)
{
    return atomic_load_explicit(&producer->waits_since_ns, memory_order_relaxed);
}

/* ---- the thread ---- */

int producer_wake_fd(const struct producer *producer)
{
    return producer->wake_fd;
}

static void adopt_offered(struct producer *producer)
{
    /* A2 pairs with R2 in producer_offer. */
    struct adoption *offered = atomic_load_explicit(&producer->offered, memory_order_acquire);
    uint64_t count;
    if (offered == NULL ||
        offered == atomic_load_explicit(&producer->adopted, memory_order_relaxed))
        return;
    ssize_t got = read(producer->wake_fd, &count, sizeof(count));
    (void)got; /* nothing there is fine */
    adopt(producer, offered);
}

/* Gives up one message when nobody in a circle of filters could go on otherwise. */
static bool break_circle(struct producer *producer)
{
    unsigned slowest = producer->lane.slowest;
    if (producer->graph == NULL)
        return false;
    wait_graph_wait(producer->graph, producer->slot, slowest);
    if (!wait_graph_is_stuck(producer->graph, producer->slot, &producer->circle))
        return false;
    wait_graph_count(producer->graph, slowest);
    message_sink_give_up(&producer->sink, COUNTER_MESSAGES_DEADLOCK);
    return true;
}

static void give_up_all(struct producer *producer)
{
    while (producer->sink.pending_count > producer->sink.done_count)
        message_sink_give_up(&producer->sink, COUNTER_MESSAGES_STOPPED);
}

static void end_wait(struct producer *producer)
{
    if (producer->graph != NULL)
        wait_graph_end(producer->graph, producer->slot);
    producer->circle.count = 0;
}

static void note_wait(struct producer *producer, uint64_t since_ns)
{
    atomic_store_explicit(&producer->waits_since_ns, since_ns, memory_order_relaxed);
}

/* Until there is room for all that is staged. */
static int wait_for_room(struct producer *producer)
{
    struct timespec pause = {0, WAIT_NS_MIN};
    int rc = PRODUCER_OK;
    unsigned left, left_before = UINT32_MAX;
    producer->counters.values[COUNTER_FLUSH_WAITS]++;
    do {
        if (producer->release != NULL)
            producer->release(producer->release_arg);
        adopt_offered(producer);
        left = message_sink_push(&producer->sink);
        if (left < left_before)
            note_wait(producer, clock_mono_ns());
        left_before = left;
        if (left > 0 && break_circle(producer))
            rc = PRODUCER_E_DEADLOCK;
        else if (left > 0 && atomic_load_explicit(&producer->is_stopped, memory_order_relaxed)) {
            give_up_all(producer);
            rc = PRODUCER_E_STOPPED;
        } else if (left > 0) {
            publish_counters(producer);
            bell_ring(producer->bell);
            nanosleep(&pause, NULL);
            pause.tv_nsec = producer->circle.count > 0 ? WAIT_NS_MIN : 2 * pause.tv_nsec;
            if (pause.tv_nsec > WAIT_NS_MAX)
                pause.tv_nsec = WAIT_NS_MAX;
        }
    } while (producer->sink.pending_count > 0);
    end_wait(producer);
    note_wait(producer, 0);
    return rc;
}

/* Everything that is staged ends here, in the lane or under a name. */
static int push(struct producer *producer)
{
    int rc = PRODUCER_OK;
    if (producer->sink.pending_count == 0)
        return PRODUCER_OK;
    if (message_sink_push(&producer->sink) > 0)
        rc = wait_for_room(producer);
    publish_counters(producer);
    bell_ring(producer->bell);
    return rc;
}

int producer_turn(struct producer *producer)
{
    int rc = push(producer);
    adopt_offered(producer);
    publish_counters(producer);
    return rc == PRODUCER_E_STOPPED ? rc : PRODUCER_OK;
}

void producer_begin(struct producer *producer, struct msg_builder *builder, uint64_t timestamp_ns)
{
    if (!message_sink_has_room(&producer->sink))
        push(producer);
    message_sink_begin(&producer->sink, builder, timestamp_ns);
}

static int count_refused(struct producer *producer, enum counter_id reason, int code)
{
    producer->counters.values[COUNTER_MESSAGES_CREATED]++;
    producer->counters.values[reason]++;
    publish_counters(producer);
    return code;
}

static int pass_on(struct producer *producer)
{
    uint64_t own = producer->counters.values[COUNTER_MESSAGES_OWN];
    if (producer->graph == NULL) /* in bursts */
        return PRODUCER_OK;
    int rc = push(producer);
    return producer->counters.values[COUNTER_MESSAGES_OWN] != own ? PRODUCER_E_OWN : rc;
}

static struct sink_source sink_source(const struct producer_source *source)
{
    return (struct sink_source){
        .hops = source->hops,
        .origin = source->origin,
        .ingest_ns = source->ingest_ns,
        .signer = source->signer,
    };
}

int producer_inject(struct producer *producer, const struct msg_builder *builder,
                    const struct producer_source *source)
{
    const struct sink_source from = sink_source(source);
    if (source->hops > producer->plan->max_message_loops)
        return count_refused(producer, COUNTER_MESSAGES_LOOPS, PRODUCER_E_LOOPS);
    if (!message_sink_stage(&producer->sink, builder, &from)) {
        publish_counters(producer);
        return PRODUCER_E_TOO_LARGE;
    }
    return pass_on(producer);
}

int producer_inject_bytes(struct producer *producer, const void *bytes, size_t size,
                          const struct producer_source *source)
{
    const struct sink_source from = sink_source(source);
    if (source->hops > producer->plan->max_message_loops)
        return count_refused(producer, COUNTER_MESSAGES_LOOPS, PRODUCER_E_LOOPS);
    if (size > producer->plan->sink.max_message_size)
        return count_refused(producer, COUNTER_MESSAGES_TOO_LARGE, PRODUCER_E_TOO_LARGE);
    if (!message_sink_has_room(&producer->sink))
        push(producer);
    if (message_sink_stage_bytes(&producer->sink, bytes, size, &from) != 0)
        return count_refused(producer, COUNTER_MESSAGES_MALFORMED, PRODUCER_E_MALFORMED);
    return pass_on(producer);
}

struct counters *producer_ledger(struct producer *producer)
{
    return &producer->counters;
}

size_t producer_message_max(const struct producer *producer)
{
    return (size_t)producer->plan->sink.max_message_size;
}

const char *producer_hostname(const struct producer *producer)
{
    return producer->plan->hostname;
}

unsigned producer_loops_max(const struct producer *producer)
{
    return producer->plan->max_message_loops;
}
