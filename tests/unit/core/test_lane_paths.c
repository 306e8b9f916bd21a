/* SPDX-License-Identifier: MPL-2.0
 *
 * test_lane_paths.c - every order of the lane's protocol, within bounds: a producer and two
 *                     consumers on the real core/lane*.c, small lanes, and late stores
 *                     (lane_paths.h). Then the same with something broken on purpose, which must be
 *                     found.
 *
 * HEKA_SOAK=N allows one preemption more everywhere, in at most N million schedules of each script;
 * with N = 100 that is all there are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "core/check.h"
#include "core/lane.h"
#include "tests/unit/core/lane_paths.h"

enum {
    SLOTS = 2,
    RECORDS_MAX = 12,
    RING_WORDS = PATHS_LANE_BYTES / 8,
    RECORD_WORDS_MAX = PATHS_LANE_BYTES / 4 / 8,
    NEVER = RECORDS_MAX + 1
};

struct script {
    const char *name;
    unsigned record_count;
    uint8_t words[RECORDS_MAX]; /* of each message, up to 8 */
    uint8_t masks[RECORDS_MAX];
    unsigned publish_every;
    enum lane_policy policies[SLOTS];
    unsigned release_every;
    bool releases_early;      /* broken on purpose */
    unsigned dismiss_before;  /* slot 1, before this record */
    unsigned admit_before;    /* it is given on, before this one; NEVER: not in this script */
    unsigned mortal;          /* thread, or PATHS_NOBODY */
    unsigned preemptions, delays;
};

static struct {
    const struct script *script;
    _Alignas(4096) uint8_t memory[LANE_HEADER_BYTES + PATHS_LANE_BYTES];
    uint64_t written[RING_WORDS];
    struct lane_cursor cursors[SLOTS];
    struct lane_bounds bounds[SLOTS];
    struct lane_place places[LANE_PLACES];
    struct lane_writer writer;
    _Atomic uint64_t admitted[SLOTS], is_closed;
    uint64_t positions[RECORDS_MAX]; /* behind each record */
    unsigned produced;
    bool was_read[SLOTS][RECORDS_MAX];
} the_rig;

static struct lane_header *header(void)
{
    return (struct lane_header *)(void *)the_rig.memory;
}

static bool is_wanted(unsigned slot, unsigned i)
{
    return (the_rig.script->masks[i] >> slot) & 1;
}

static uint64_t pattern(unsigned i, unsigned word)
{
    return UINT64_C(0x0101010101010101) * (i + 1) + ((uint64_t)word << 32);
}

/* ---- producer ---- */

static void admit(unsigned slot, uint64_t generation)
{
    enum lane_policy policy = the_rig.script->policies[slot];
    lane_admit(&the_rig.writer, slot, policy, &the_rig.bounds[slot]);
    paths_store(&the_rig.admitted[slot], generation, memory_order_release);
}

static void give_slot_on(void)
{
    for (;;) {
        uint64_t seen = paths_seen();
        if (paths_load(&the_rig.is_closed, memory_order_acquire) != 0)
            break;
        paths_wait(seen);
    }
    admit(1, 2);
}

static struct record *reserve(uint32_t size)
{
    for (;;) {
        uint64_t seen = paths_seen();
        struct record *record = lane_reserve(&the_rig.writer, size);
        if (record != NULL)
            return record;
        paths_wait(seen);
    }
}

static void put(unsigned i)
{
    unsigned words = the_rig.script->words[i];
    struct record *record = reserve(words * 8);
    record->message_size = words * 8;
    memset(record->mask, 0, sizeof(record->mask));
    record->mask[0] = the_rig.script->masks[i];
    record->ingest_ns = i + 1;
    for (unsigned w = 0; w < words; w++) {
        uint64_t value = pattern(i, w);
        memcpy(record->message + w * 8, &value, 8);
    }
    lane_commit(&the_rig.writer, record);
    the_rig.positions[i] = the_rig.writer.head;
    the_rig.produced = i + 1;
}

static void produce(void *arg)
{
    const struct script *script = arg;
    for (unsigned i = 0; i < script->record_count; i++) {
        if (i == script->dismiss_before)
            lane_dismiss(&the_rig.writer, 1);
        if (i == script->admit_before)
            give_slot_on();
        put(i);
        if ((i + 1) % script->publish_every == 0)
            lane_publish(&the_rig.writer);
    }
    lane_publish(&the_rig.writer);
}

/* ---- consumers ---- */

struct reading {
    struct lane_reader reader;
    unsigned slot;
    unsigned next; /* index of the record that could be the next */
    unsigned since_release;
    uint64_t dropped; /* of those before `next` */
};

static void open_reading(struct reading *reading, unsigned slot, unsigned first,
                         uint64_t generation)
{
    struct lane_admission admission = {&the_rig.bounds[slot], generation,
                                       the_rig.script->policies[slot]};
    *reading = (struct reading){.slot = slot, .next = first};
    PATHS_CHECK(lane_reader_init_admitted(&reading->reader, header(), &the_rig.cursors[slot], slot,
                                          &admission) == 0);
}

static unsigned wanted_before(unsigned slot, unsigned first, unsigned end)
{
    unsigned count = 0;
    for (unsigned i = first; i < end; i++)
        count += is_wanted(slot, i);
    return count;
}

static void check_record(struct reading *reading, const uint64_t *words)
{
    const struct record *record = (const struct record *)(const void *)words;
    PATHS_CHECK(record->type == RECORD_MESSAGE && record->ingest_ns >= 1);
    PATHS_CHECK(record->ingest_ns <= the_rig.script->record_count);
    unsigned i = (unsigned)record->ingest_ns - 1;
    PATHS_CHECK(i >= reading->next && is_wanted(reading->slot, i));
    PATHS_CHECK(record->mask[0] == the_rig.script->masks[i]);
    PATHS_CHECK(record->message_size == the_rig.script->words[i] * 8u);
    for (unsigned w = 0; w < the_rig.script->words[i]; w++)
        PATHS_CHECK(words[sizeof(*record) / 8 + w] == pattern(i, w));
    /* All that were passed over are counted as dropped, now. */
    PATHS_CHECK(wanted_before(reading->slot, reading->next, i) ==
                reading->reader.dropped - reading->dropped);
    reading->dropped = reading->reader.dropped;
    PATHS_CHECK(!the_rig.was_read[reading->slot][i]);
    the_rig.was_read[reading->slot][i] = true;
    reading->next = i + 1;
}

/* Reads the record where it lies, a word at a time. */
static bool read_in_place(struct reading *reading)
{
    uint64_t skipped = 0, words[RECORD_WORDS_MAX];
    int error = 0;
    const struct record *record = lane_next(&reading->reader, &skipped, &error);
    PATHS_CHECK(error == 0);
    if (record == NULL)
        return false;
    if (the_rig.script->releases_early)
        lane_release(&reading->reader);
    uint32_t count = record->size_bytes / 8;
    PATHS_CHECK(count <= RECORD_WORDS_MAX);
    for (unsigned w = 0; w < count; w++)
        words[w] = paths_ring_word((const uint64_t *)(const void *)record + w);
    check_record(reading, words);
    return true;
}

static bool read_copy(struct reading *reading)
{
    uint64_t skipped = 0, words[RECORD_WORDS_MAX];
    int error = 0;
    uint32_t size = lane_take(&reading->reader, words, sizeof(words), &skipped, &error);
    PATHS_CHECK(error == 0 && size <= sizeof(words));
    if (size > 0)
        check_record(reading, words);
    return size > 0;
}

static bool read_one(struct reading *reading)
{
    bool found = the_rig.script->policies[reading->slot] == LANE_DROP ? read_copy(reading)
                                                                     : read_in_place(reading);
    if (!found || ++reading->since_release == the_rig.script->release_every) {
        lane_release(&reading->reader);
        reading->since_release = 0;
    }
    return found;
}

static void read_to_last(struct reading *reading)
{
    while (reading->next < the_rig.script->record_count) {
        bool has_ended = paths_has_ended(0);
        uint64_t seen = paths_seen();
        if (read_one(reading))
            continue;
        if (has_ended)
            break;
        paths_wait(seen);
    }
    lane_release(&reading->reader);
    unsigned seen = 0; /* what a producer that died did not show was never there */
    uint64_t head = paths_load(&header()->head, memory_order_acquire);
    while (seen < the_rig.produced && the_rig.positions[seen] <= head)
        seen++;
    unsigned first = the_rig.script->admit_before < NEVER && reading->slot == 1 ?
                         the_rig.script->admit_before : 0;
    PATHS_CHECK(reading->reader.count == wanted_before(reading->slot, first, seen));
}

static void consume_first(void *arg)
{
    struct reading reading;
    (void)arg;
    open_reading(&reading, 0, 0, 1);
    read_to_last(&reading);
}

/* Slot 1; in some scripts it is another consumer's later. */
static void consume_second(void *arg)
{
    const struct script *script = arg;
    struct reading reading;
    unsigned first = 0;
    open_reading(&reading, 1, 0, 1);
    if (script->admit_before < NEVER) {
        for (;;) {
            uint64_t seen = paths_seen();
            if (lane_is_at_end(&reading.reader))
                break;
            if (!read_one(&reading))
                paths_wait(seen);
        }
        lane_release(&reading.reader);
        PATHS_CHECK(reading.reader.count == wanted_before(1, 0, script->dismiss_before));
        paths_store(&the_rig.is_closed, 1, memory_order_release);
        for (;;) {
            uint64_t seen = paths_seen();
            if (paths_load(&the_rig.admitted[1], memory_order_acquire) == 2)
                break;
            paths_wait(seen);
        }
        first = script->admit_before;
        open_reading(&reading, 1, first, 2);
    }
    read_to_last(&reading);
}

/* The next process: knows exactly what the one that died has given back, and reads the rest. */
static void succeed(void *arg)
{
    struct reading reading;
    unsigned released = 0;
    (void)arg;
    for (uint64_t seen = paths_seen(); !paths_has_ended(2); seen = paths_seen())
        paths_wait(seen);
    uint64_t tail = paths_load(&the_rig.cursors[1].tail, memory_order_acquire);
    if (paths_load(&the_rig.cursors[1].admitted, memory_order_acquire) == 0)
        tail = 0; /* died before it had begun */
    while (released < the_rig.produced && the_rig.positions[released] <= tail)
        released++;
    memset(the_rig.was_read[1] + released, 0, RECORDS_MAX - released); /* again */
    open_reading(&reading, 1, released, 1);
    PATHS_CHECK(reading.reader.base == wanted_before(1, 0, released));
    read_to_last(&reading);
}

/* ---- runs ---- */

static void setup(void *arg)
{
    const struct script *script = arg;
    memset(the_rig.memory, 0, sizeof(the_rig.memory));
    memset(the_rig.written, 0, sizeof(the_rig.written));
    memset(the_rig.cursors, 0, sizeof(the_rig.cursors));
    memset(the_rig.bounds, 0, sizeof(the_rig.bounds));
    memset(the_rig.was_read, 0, sizeof(the_rig.was_read));
    the_rig.is_closed = the_rig.produced = 0;
    the_rig.script = script;
    lane_writer_init(&the_rig.writer, header(), the_rig.cursors, SLOTS, 0, PATHS_LANE_BYTES);
    the_rig.writer.ring = (uint8_t *)the_rig.written;
    lane_set_places(&the_rig.writer, the_rig.places);
    lane_dismiss_all(&the_rig.writer);
    admit(0, 1);
    admit(1, 1);
}

/* Who is waited for got everything, and got it once (check_record). */
static const char *check(void *arg)
{
    const struct script *script = arg;
    uint64_t head = header()->head;
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (script->policies[slot] == LANE_DROP)
            continue;
        for (unsigned i = 0; i < the_rig.produced; i++) {
            bool between = slot == 1 && i >= script->dismiss_before && i < script->admit_before;
            if (is_wanted(slot, i) && !between && the_rig.positions[i] <= head &&
                !the_rig.was_read[slot][i])
                return "a record is lost";
        }
    }
    return the_rig.writer.bad_cursor_count == 0 ? NULL : "a good cursor was not believed";
}

static unsigned soak(void)
{
    const char *text = getenv("HEKA_SOAK");
    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static struct paths_result explore(const struct script *script, const struct paths_mutant *mutant)
{
    struct script copy = *script;
    if (script->dismiss_before == 0 && script->admit_before == 0)
        copy.dismiss_before = copy.admit_before = NEVER;
    struct paths_config config = {
        .thread_count = script->mortal == 2 ? 4 : 3,
        .threads = {produce, consume_first, consume_second, succeed},
        .setup = setup,
        .check = check,
        .arg = &copy,
        .preemptions = script->preemptions + (soak() > 0 && mutant == NULL ? 1 : 0),
        .delays = script->delays,
        .runs_max = mutant == NULL ? soak() * UINT64_C(1000000) : 0,
        .mortal = script->mortal,
        .written = the_rig.written,
        .visible = (uint64_t *)(void *)(the_rig.memory + LANE_HEADER_BYTES),
    };
    if (mutant != NULL)
        config.mutant = *mutant;
    return paths_explore(&config);
}

/* Four records of about a fifth fill the lane; sizes differ, so that there is padding. */
static const struct script both_wait = {
    .name = "both are waited for", .record_count = 8, .words = {1, 8, 3, 5, 2, 8, 4, 1},
    .masks = {3, 1, 3, 2, 0, 3, 1, 3}, .publish_every = 1, .release_every = 1,
    .mortal = PATHS_NOBODY, .preemptions = 1, .delays = 1,
};
static const struct script bursts = {
    .name = "bursts, released late", .record_count = 8, .words = {6, 1, 8, 2, 7, 3, 1, 8},
    .masks = {3, 3, 1, 2, 3, 0, 3, 3}, .publish_every = 3, .release_every = 2,
    .mortal = PATHS_NOBODY, .preemptions = 1, .delays = 1,
};
static const struct script one_drops = {
    .name = "one is overrun", .record_count = 6, .words = {8, 1, 8, 8, 3, 8},
    .masks = {2, 3, 2, 2, 2, 3}, .publish_every = 1, .release_every = 1,
    .policies = {LANE_BLOCK, LANE_DROP}, .mortal = PATHS_NOBODY, .preemptions = 1, .delays = 1,
};
static const struct script both_drop = {
    .name = "both are overrun", .record_count = 8, .words = {8, 2, 8, 8, 3, 8, 8, 1},
    .masks = {3, 1, 2, 3, 3, 1, 2, 3}, .publish_every = 2, .release_every = 2,
    .policies = {LANE_DROP, LANE_DROP}, .mortal = PATHS_NOBODY, .preemptions = 1, .delays = 1,
};
static const struct script given_on = {
    .name = "a slot is given on", .record_count = 11, .words = {1, 8, 2, 8, 8, 8, 8, 1, 8, 3, 2},
    .masks = {3, 2, 1, 0, 1, 0, 0, 1, 3, 2, 3}, .publish_every = 1, .release_every = 1,
    .dismiss_before = 2, .admit_before = 8, .mortal = PATHS_NOBODY, .preemptions = 1, .delays = 1,
};
static const struct script killed = {
    .name = "a consumer is killed", .record_count = 7, .words = {8, 1, 5, 8, 2, 8, 3},
    .masks = {2, 2, 1, 3, 2, 0, 3}, .publish_every = 1, .release_every = 1,
    .mortal = 2, .preemptions = 1, .delays = 0,
};
static const struct script dropper_killed = {
    .name = "a dropper is killed", .record_count = 6, .words = {8, 1, 8, 8, 3, 8},
    .masks = {2, 2, 1, 2, 2, 3}, .publish_every = 1, .release_every = 1,
    .policies = {LANE_BLOCK, LANE_DROP}, .mortal = 2, .preemptions = 1, .delays = 0,
};
static const struct script producer_killed = {
    .name = "the producer is killed", .record_count = 6, .words = {8, 1, 8, 8, 3, 8},
    .masks = {3, 2, 1, 2, 2, 3}, .publish_every = 2, .release_every = 1,
    .policies = {LANE_BLOCK, LANE_DROP}, .mortal = 0, .preemptions = 1, .delays = 1,
};

static void test_scripts(void **state)
{
    static const struct script *const scripts[] = {&both_wait, &bursts,  &one_drops,
                                                   &both_drop, &given_on, &killed,
                                                   &dropper_killed, &producer_killed};
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(scripts); i++) {
        struct paths_result result = explore(scripts[i], NULL);
        print_message("%-24s %u preemptions, %u delays: %s %llu schedules, %llu steps\n",
                      scripts[i]->name, scripts[i]->preemptions + (soak() > 0), scripts[i]->delays,
                      result.is_all ? "all" : "the first", (unsigned long long)result.runs,
                      (unsigned long long)result.steps);
        if (result.failure[0] != '\0')
            print_error("%s\nchoices %s\n", result.failure, result.choices);
        assert_string_equal(result.failure, "");
        assert_true(result.runs > 1000);
    }
}

/* ---- what is broken is found ---- */

static bool found_all = true;

static void expect_found(const struct script *script, const struct paths_mutant *mutant)
{
    struct paths_result result = explore(script, mutant);
    print_message("%-34s found after %llu schedules: %s\n", mutant->name,
                  (unsigned long long)result.runs,
                  result.failure[0] != '\0' ? result.failure : "NOT FOUND");
    found_all &= result.failure[0] != '\0';
}

static void test_mutants(void **state)
{
    (void)state;
    struct lane_header *lane = header();
    struct lane_bounds *bounds = &the_rig.bounds[1];
    struct lane_cursor *cursor = &the_rig.cursors[1];
    const struct {
        const struct script *script;
        unsigned preemptions, delays; /* that it takes */
        struct paths_mutant mutant;
    } mutants[] = {
        {&both_wait, 1, 1, {.name = "head stored relaxed", .relaxed = &lane->head}},
        {&one_drops, 2, 0, {.name = "floor published after overwriting", .held = bounds,
                      .held_bytes = sizeof(*bounds), .held_until = &lane->head}},
        {&one_drops, 2, 1, {.name = "no fence behind the floor", .no_fence = true}},
        {&one_drops, 1, 0, {.name = "floor not looked at again", .stale = bounds,
                      .stale_bytes = sizeof(*bounds)}},
        {&one_drops, 2, 0, {.name = "version raised before the pair", .held = bounds->floors,
                      .held_bytes = sizeof(bounds->floors), .held_until = &bounds->version}},
        {&given_on, 1, 0, {.name = "end not said", .held = &bounds->end,
                     .held_bytes = sizeof(bounds->end), .held_until = &the_rig.places}},
        {&killed, 0, 0, {.name = "tail stored before its mark", .held = cursor->marks,
                   .held_bytes = sizeof(cursor->marks), .held_until = &cursor->tail}},
        {&dropper_killed, 0, 0, {.name = "the same, of a dropper", .held = cursor->marks,
                           .held_bytes = sizeof(cursor->marks), .held_until = &cursor->tail}},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(mutants); i++) {
        struct script script = *mutants[i].script;
        script.preemptions = mutants[i].preemptions;
        script.delays = mutants[i].delays;
        expect_found(&script, &mutants[i].mutant);
    }
    struct script early = both_wait;
    early.releases_early = true;
    expect_found(&early, &(struct paths_mutant){.name = "released before it was read"});
    assert_true(found_all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_mutants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
