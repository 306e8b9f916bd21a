/* SPDX-License-Identifier: MPL-2.0 */
#include "dataplane/replay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/message_json.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/ledger_json.h"
#include "dataplane/appliance.h"

/* What is replayed when no plan is given. */
static const char default_plan[] =
    "{\"accumulators\": [{\"name\": \"StatAccumInput\"}],"
    " \"listeners\": [{\"name\": \"StatsdInput\", \"kind\": \"statsd\", \"address\": \":8125\","
    "                 \"accumulator\": \"StatAccumInput\"}],"
    " \"consumers\": [{\"name\": \"replay\", \"message_matcher\": \"TRUE\"}]}";

struct replay {
    const struct replay_config *config;
    struct plan *plan;
    struct core_map *map;
    char run_dir[64];
    struct appliance appliance;
    struct segment view; /* the same segment as its consumers see it */
    struct buffer line;
    uint64_t now_ns;
    int error;
};

/* ---- time ---- */

/* Time of the first frame of a classic pcap file (magic, then per record: seconds, fraction). */
static uint64_t first_frame_ns(const char *path)
{
    uint32_t head[8] = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    size_t got = fread(head, 1, sizeof(head), file);
    fclose(file);
    bool swapped = head[0] == 0xD4C3B2A1 || head[0] == 0x4D3CB2A1;
    bool nanoseconds = head[0] == 0xA1B23C4D || head[0] == 0x4D3CB2A1;
    if (got != sizeof(head) || (!swapped && head[0] != 0xA1B2C3D4 && !nanoseconds))
        return 0;
    uint64_t seconds = swapped ? __builtin_bswap32(head[6]) : head[6];
    uint64_t fraction = swapped ? __builtin_bswap32(head[7]) : head[7];
    return seconds * CLOCK_NS_PER_S + (nanoseconds ? fraction : fraction * 1000);
}

static void choose_time(struct replay *replay)
{
    replay->now_ns = replay->config->now_ns;
    if (replay->now_ns == 0)
        replay->now_ns = first_frame_ns(replay->config->pcap);
    if (replay->now_ns == 0)
        replay->now_ns = clock_wall_ns();
}

/* ---- core map: one port with all addresses that are asked for ---- */

static void add_address(struct buffer *text, const char *address, unsigned *count)
{
    buffer_printf(text, "%s\"%s\"", *count > 0 ? ", " : "", address);
    (*count)++;
}

static void add_listener_addresses(const struct plan_addresses *addresses, struct buffer *text,
                                   unsigned *count)
{
    for (unsigned i = 0; i < addresses->count; i++) {
        static const uint8_t any[16];
        const struct listener_address *address = &addresses->items[i];
        char ip[INET6_ADDRSTRLEN], with_len[INET6_ADDRSTRLEN + 4];
        if (memcmp(address->ip, any, address->is_ipv6 ? 16 : 4) == 0)
            continue;
        inet_ntop(address->is_ipv6 ? AF_INET6 : AF_INET, address->ip, ip, sizeof(ip));
        snprintf(with_len, sizeof(with_len), "%s/%d", ip, address->is_ipv6 ? 128 : 32);
        if (text->size == 0 || memmem(text->data, text->size, with_len, strlen(with_len)) == NULL)
            add_address(text, with_len, count);
    }
}

static int make_core_map(struct replay *replay, struct err *err)
{
    const struct replay_config *config = replay->config;
    struct core_map_machine machine;
    struct buffer text = {0};
    unsigned count = 0;
    core_map_machine_read(&machine);
    machine.cpu_count = 1; /* the caller's thread does everything */
    buffer_printf(&text,
                  "{\"main_core\": 0, \"workers\": [0], \"force\": true,"
                  " \"memory\": {\"pages\": \"normal\"}, \"ports\": [{\"name\": \"replay\","
                  " \"profile\": \"pcap\", \"device\": \"%s\", \"addresses\": [",
                  config->pcap);
    for (unsigned i = 0; i < config->address_count; i++)
        add_address(&text, config->addresses[i], &count);
    for (unsigned net = 0; net < PLAN_NETS; net++)
        add_listener_addresses(&replay->plan->addresses[net], &text, &count);
    buffer_append_text(&text, "]}]}");
    int rc = count == 0 ? err_add(err, "no listener of the plan has an address of its own: say by "
                                  "--address IP/LENGTH which addresses are ours")
                        : core_map_parse(text.data, text.size, "replay", config->profile_dir,
                                         &machine, &replay->map, err);
    buffer_fini(&text);
    return rc;
}

/* ---- output ---- */

static void print_consumers(struct replay *replay, const struct record *record)
{
    const char *comma = "";
    for (unsigned c = 0; c < replay->plan->slot_count; c++) {
        if (!record_wanted_by(record, c))
            continue;
        buffer_printf(&replay->line, "%s\"%s\"", comma, replay->plan->consumers[c].name);
        comma = ", ";
    }
}

static void print_record(struct replay *replay, unsigned lane, const struct record *record)
{
    struct msg_view view;
    CHECK(msg_view_init(&view, record->message, record->message_size) == 0);
    buffer_clear(&replay->line);
    buffer_printf(&replay->line, "{\"lane\": %u, \"consumers\": [", lane);
    print_consumers(replay, record);
    buffer_append_text(&replay->line, "], \"message\": ");
    replay->error |= message_json(&view, &replay->line);
    replay->error |= buffer_append_text(&replay->line, "}\n");
    fwrite(replay->line.data, 1, replay->line.size, stdout);
}

/* Each record is printed once: for the first of its consumers. */
static void drain_consumer(struct replay *replay, unsigned lane, unsigned consumer)
{
    struct lane_reader reader;
    uint64_t skipped = 0;
    int error = segment_reader_init(&replay->view, lane, consumer, 0, &reader);
    if (error == -EAGAIN)
        return; /* nobody has this slot */
    const struct record *record;
    while (error == 0 && (record = lane_next(&reader, &skipped, &error)) != NULL) {
        bool first = true;
        for (unsigned c = 0; c < consumer; c++)
            first &= !record_wanted_by(record, c);
        if (first)
            print_record(replay, lane, record);
    }
    if (error == 0)
        lane_release(&reader);
    replay->error |= error;
}

static bool drain(void *arg)
{
    struct replay *replay = arg;
    for (unsigned lane = 0; lane < replay->view.header->lane_count; lane++)
        for (unsigned consumer = 0; consumer < replay->plan->slot_count; consumer++)
            drain_consumer(replay, lane, consumer);
    return replay->error == 0;
}

static int print_ledger(struct replay *replay, struct err *err)
{
    struct counters counters;
    int64_t residual = 0;
    if (replay->config->break_counter != NULL)
        replay->appliance.housekeeping.counters
            .values[counter_find(replay->config->break_counter)]++;
    counters_publish(&replay->appliance.segment.blocks[replay->view.header->lane_count - 1],
                     &replay->appliance.housekeeping.counters);
    segment_counters(&replay->view, &counters);
    json_t *stages = ledger_json_stages(&counters, "dataplane", &residual);
    json_t *object = json_pack("{s:o, s:o, s:I}", "stages", stages, "counters",
                               ledger_json_counters(&counters), "residual",
                               (json_int_t)residual);
    int rc = object == NULL || json_dumpf(object, stdout, JSON_COMPACT) != 0
                 ? err_add(err, "out of memory")
                 : 0;
    putchar('\n');
    json_decref(object);
    return rc;
}

/* ---- the run ---- */

static int open_all(struct replay *replay, struct err *err)
{
    const struct replay_config *config = replay->config;
    int rc = config->plan != NULL
                 ? plan_load(config->plan, &replay->plan, err)
                 : plan_parse(default_plan, strlen(default_plan), "plan", &replay->plan, err);
    if (rc != 0 || make_core_map(replay, err) != 0)
        return -1;
    if (mkdtemp(replay->run_dir) == NULL)
        return err_add(err, "%s: %s", replay->run_dir, strerror(errno));
    struct appliance_config appliance = {
        .program = config->program,
        .map = replay->map,
        .plan = replay->plan,
        .run_dir = replay->run_dir,
        .group = (gid_t)-1,
        .is_traced = true,
        .now_ns = replay->now_ns,
        .seed = 1, /* the same UUIDs each time */
    };
    if (appliance_open(&appliance, &replay->appliance, err) != 0)
        return -1;
    atomic_store_explicit(&replay->appliance.segment.header->state, SEGMENT_RUNNING,
                          memory_order_release);
    if (segment_attach(replay->run_dir, &replay->view, err) != 0) {
        appliance_close(&replay->appliance);
        return err_add(err, "%s: cannot be attached", replay->run_dir);
    }
    return 0;
}

static void run_trace(struct replay *replay)
{
    uint64_t now_ns = replay->now_ns;
    struct worker *worker = &replay->appliance.workers[0];
    /* A file port is empty only at its end. */
    while (worker_turn(worker, now_ns) > 0 || worker->tcp.is_waiting)
        drain(replay);
    drain(replay);
    worker_finish(worker);
    appliance_last_flush(&replay->appliance, now_ns, drain, replay);
    drain(replay);
}

static void remove_run_dir(const char *dir)
{
    static const char *const names[] = {"segment", "cursors", "lane.0", "lane.1", "lock"};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

int replay_run(const struct replay_config *config, struct err *err)
{
    struct replay replay = {.config = config, .run_dir = "/tmp/heka-replay-XXXXXX"};
    int rc = -1;
    if (config->break_counter != NULL && counter_find(config->break_counter) < 0)
        return err_add(err, "--break-counter: there is no counter '%s'", config->break_counter);
    if (access(config->pcap, R_OK) != 0)
        return err_add(err, "%s: %s", config->pcap, strerror(errno));
    choose_time(&replay);
    if (open_all(&replay, err) != 0)
        goto out;
    run_trace(&replay);
    rc = replay.error != 0 ? err_add(err, "a lane could not be read: %d", replay.error)
                           : print_ledger(&replay, err);
    segment_detach(&replay.view);
    appliance_close(&replay.appliance);
out:
    remove_run_dir(replay.run_dir);
    buffer_fini(&replay.line);
    core_map_free(replay.map);
    plan_free(replay.plan);
    return rc;
}
