/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/control/input_rig.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "control/lanes/producer_folder.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/ledger.h"

enum { WAIT_S = 60, POLL_US = 1000 };

/* ---- what came out ---- */

/* Takes what is in the lane. */
static void pump(struct input_rig *rig, unsigned index)
{
    struct rig_lane *lane = &rig->lanes[index];
    struct reader_item items[READER_ITEMS_MAX];
    unsigned count;
    while (!lane->is_closed &&
           (count = reader_next(lane->reader, items, READER_ITEMS_MAX, SIZE_MAX)) > 0) {
        for (unsigned i = 0; i < count; i++) {
            const struct record *record = items[i].record;
            assert_true(lane->count < INPUT_RIG_MESSAGES_MAX);
            struct rig_message *message = &lane->messages[lane->count++];
            *message = (struct rig_message){
                .bytes = malloc(record->message_size),
                .size = record->message_size,
                .is_signed = record_wanted_by(record, 1),
            };
            assert_non_null(message->bytes);
            memcpy(message->bytes, record->message, record->message_size);
        }
        reader_release_all(lane->reader);
    }
    if (lane->is_closed)
        return;
    while (reader_next(lane->alices, items, READER_ITEMS_MAX, SIZE_MAX) > 0)
        reader_release_all(lane->alices);
}

static void make_lane(struct input_rig *rig, unsigned index)
{
    struct rig_lane *lane = &rig->lanes[index];
    static struct err err;
    err.count = 0;
    const struct producer_config config = {
        .name = rig->instances->inputs[index].name,
        .run_dir = rig->dir,
        .number = index + 1,
        .lane_bytes = LANE_BYTES_MIN,
        .bell = &rig->bell,
        .slot = PRODUCER_NO_SLOT,
    };
    lane->producer = producer_new(&config, rig->plan, &err);
    lane->messages = calloc(INPUT_RIG_MESSAGES_MAX, sizeof(*lane->messages));
    err_print(&err, stderr);
    assert_non_null(lane->producer);
    assert_non_null(lane->messages);
    lane->reader = reader_open(producer_attachment(lane->producer), 0, 0, LANE_BLOCK, &err);
    lane->alices = reader_open(producer_attachment(lane->producer), 1, 0, LANE_BLOCK, &err);
    assert_non_null(lane->reader);
    assert_non_null(lane->alices);
}

static void free_lane(struct rig_lane *lane)
{
    if (lane->producer == NULL)
        return;
    for (unsigned i = 0; i < lane->count; i++)
        free(lane->messages[i].bytes);
    free(lane->messages);
    reader_close(lane->reader);
    reader_close(lane->alices);
    producer_folder_delete(producer_folder(lane->producer));
    producer_free(lane->producer);
}

/* ---- a configuration ---- */

/* Slot 0 gets everything, slot 1 what alice has signed. The lanes are small. */
static const char head[] = "[hekad]\nmax_message_size = 2000\n"
                           "[all]\ntype = \"LogOutput\"\nmessage_matcher = \"TRUE\"\n"
                           "encoder = \"ProtobufEncoder\"\n"
                           "[alices]\ntype = \"LogOutput\"\nmessage_matcher = \"TRUE\"\n"
                           "message_signer = \"alice\"\nencoder = \"ProtobufEncoder\"\n";

static void write_config(const struct input_rig *rig, const char *toml, const char *path)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(head, file);
    for (const char *at = toml; *at != '\0';) {
        bool is_dir = strncmp(at, "{dir}", 5) == 0;
        fprintf(file, "%.*s", is_dir ? (int)strlen(rig->dir) : 1, is_dir ? rig->dir : at);
        at += is_dir ? 5 : 1;
    }
    fclose(file);
}

void input_rig_load(struct input_rig *rig, const char *toml)
{
    static struct err err, notes;
    char path[128];
    memset(rig, 0, sizeof(*rig));
    err.count = notes.count = 0;
    strcpy(rig->dir, "/tmp/input-rig-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(path, sizeof(path), "%s/hekad.toml", rig->dir);
    write_config(rig, toml, path);
    int rc = hekad_config_load(path, NULL, &rig->config, &err, &notes);
    if (rc == 0)
        rc = instances_build(rig->config, NULL, &rig->instances, &err, &notes);
    unlink(path);
    err_print(&err, stderr);
    assert_int_equal(rc, 0);
    rig->accums = stat_accums_new();
    rig->plan = producer_plan_new(rig->instances, 1, &err);
    assert_non_null(rig->accums);
    assert_non_null(rig->plan);
}

static struct input_host *make_host(struct input_rig *rig, unsigned index, struct err *err)
{
    assert_true(rig->instances->inputs[index].is_kernel);
    make_lane(rig, index);
    struct input_host_config config = {
        .instance = &rig->instances->inputs[index],
        .globals = &rig->config->globals,
        .producer = rig->lanes[index].producer,
        .accums = rig->accums,
    };
    return input_host_new(&config, err);
}

void input_rig_refused(struct input_rig *rig, unsigned index, struct err *err)
{
    assert_null(make_host(rig, index, err));
    assert_true(err->count > 0);
    free_lane(&rig->lanes[index]);
    rig->lanes[index] = (struct rig_lane){0};
}

void input_rig_start(struct input_rig *rig, unsigned index)
{
    static struct err err;
    err.count = 0;
    rig->hosts[index] = make_host(rig, index, &err);
    err_print(&err, stderr);
    assert_non_null(rig->hosts[index]);
    assert_int_equal(input_host_start(rig->hosts[index]), 0);
}

void input_rig_init(struct input_rig *rig, const char *toml)
{
    input_rig_load(rig, toml);
    assert_true(rig->instances->input_count <= INPUT_RIG_HOSTS_MAX);
    for (unsigned i = 0; i < rig->instances->input_count; i++)
        input_rig_start(rig, i);
}

static void wait_for(bool (*is_true)(void *arg), void *arg)
{
    uint64_t until_ns = clock_mono_ns() + WAIT_S * CLOCK_NS_PER_S;
    while (!is_true(arg)) {
        assert_true(clock_mono_ns() < until_ns);
        usleep(POLL_US);
    }
}

struct ending {
    struct input_rig *rig;
    unsigned index;
};

/* Reads on meanwhile, unless the test has closed the lane. */
static bool has_ended(void *arg)
{
    const struct ending *ending = arg;
    pump(ending->rig, ending->index);
    return input_host_has_ended(ending->rig->hosts[ending->index]);
}

static void stop_all(struct input_rig *rig, bool last)
{
    for (unsigned i = 0; i < INPUT_RIG_HOSTS_MAX; i++)
        if (rig->hosts[i] != NULL && input_host_ends_last(rig->hosts[i]) == last)
            input_host_stop(rig->hosts[i]);
    for (unsigned i = 0; i < INPUT_RIG_HOSTS_MAX; i++)
        if (rig->hosts[i] != NULL && input_host_ends_last(rig->hosts[i]) == last)
            wait_for(has_ended, &(struct ending){rig, i});
}

void input_rig_stop(struct input_rig *rig, struct counters *ledger)
{
    static const enum ledger_stage stages[] = {LEDGER_TEXT, LEDGER_LINE, LEDGER_SAMPLE,
                                               LEDGER_MESSAGE};
    memset(ledger, 0, sizeof(*ledger));
    stop_all(rig, false);
    stop_all(rig, true);
    for (unsigned i = 0; i < INPUT_RIG_HOSTS_MAX; i++) {
        if (rig->hosts[i] == NULL)
            continue;
        producer_counters(rig->lanes[i].producer, ledger);
        input_host_free(rig->hosts[i]);
        rig->hosts[i] = NULL;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(stages); i++) {
        struct ledger_balance balance = ledger_balance(ledger, stages[i]);
        assert_int_equal(balance.residual, 0);
    }
}

void input_rig_fini(struct input_rig *rig)
{
    struct counters ledger;
    input_rig_stop(rig, &ledger);
    for (unsigned i = 0; i < INPUT_RIG_HOSTS_MAX; i++)
        free_lane(&rig->lanes[i]);
    producer_plan_put(rig->plan);
    stat_accums_free(rig->accums);
    instances_free(rig->instances);
    hekad_config_free(rig->config);
    char path[128];
    snprintf(path, sizeof(path), "%s/producers", rig->dir);
    rmdir(path);
    assert_int_equal(rmdir(rig->dir), 0); /* inputs leave nothing behind */
}

/* ---- questions ---- */

unsigned input_rig_count(struct input_rig *rig, unsigned index)
{
    pump(rig, index);
    return rig->lanes[index].count;
}

void input_rig_close_lane(struct input_rig *rig, unsigned index, bool is_closed)
{
    pump(rig, index);
    rig->lanes[index].is_closed = is_closed;
}

struct expectation {
    struct input_rig *rig;
    unsigned index;
    const char *name;
    uint64_t value;
};

static bool has_count(void *arg)
{
    const struct expectation *expected = arg;
    return input_rig_count(expected->rig, expected->index) >= expected->value;
}

void input_rig_wait_count(struct input_rig *rig, unsigned index, unsigned count)
{
    struct expectation expected = {.rig = rig, .index = index, .value = count};
    wait_for(has_count, &expected);
    assert_int_equal(input_rig_count(rig, index), count);
}

uint64_t input_rig_counter(struct input_rig *rig, unsigned index, const char *name)
{
    struct input_status status;
    input_host_status(rig->hosts[index], &status);
    for (unsigned i = 0; status.counters[i].name != NULL; i++)
        if (strcmp(status.counters[i].name, name) == 0)
            return status.counter_values[i];
    fail_msg("no counter %s", name);
    return 0;
}

static bool has_counter(void *arg)
{
    const struct expectation *expected = arg;
    return input_rig_counter(expected->rig, expected->index, expected->name) == expected->value;
}

void input_rig_wait_counter(struct input_rig *rig, unsigned index, const char *name, uint64_t value)
{
    struct expectation expected = {rig, index, name, value};
    wait_for(has_counter, &expected);
}

struct msg_view input_rig_message(struct input_rig *rig, unsigned index, unsigned i,
                                  bool *is_signed)
{
    const struct rig_lane *lane = &rig->lanes[index];
    struct msg_view view;
    assert_true(i < lane->count);
    assert_int_equal(msg_view_init(&view, lane->messages[i].bytes, lane->messages[i].size), 0);
    if (is_signed != NULL)
        *is_signed = lane->messages[i].is_signed;
    return view;
}

void input_rig_expect(struct input_rig *rig, unsigned index, unsigned i, const char *payload)
{
    struct msg_view view = input_rig_message(rig, index, i, NULL);
    char text[512];
    snprintf(text, sizeof(text), "%.*s", (int)view.payload.len, view.payload.ptr);
    assert_string_equal(text, payload);
}

uint16_t input_rig_free_port(int socket_type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, socket_type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}
