/* SPDX-License-Identifier: MPL-2.0 */
#include "bench/rate_rig.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "bench/capture_file.h"
#include "core/check.h"

enum {
    PATH_SIZE = PLANE_RIG_PATH_SIZE,
    NAMES_SPARE = 1000,
    LANE_MBYTES_MIN = 64,
    LANE_MBYTES_MAX = 1024,
    LANE_BYTES_OF_NAME = 256 /* some flushes fit into a lane, so that a slow reader does not hurt */
};

/* The texts become the run's errors. */
static int take_errors(struct rate_rig *rig, int rc, const struct err *err)
{
    for (unsigned i = 0; rc != 0 && i < err->count && i < ERR_LIST_MAX; i++)
        bench_error(rig->run, "%s", err->texts[i]);
    return rc;
}

int rate_rig_plane_failed(struct rate_rig *rig, const char *what)
{
    struct err err = {0};
    return take_errors(rig, plane_rig_plane_failed(&rig->rig, what, &err), &err);
}

/* ---- files ---- */

static int write_json(struct rate_rig *rig, const char *path, json_t *object)
{
    CHECK(object != NULL);
    int rc = json_dump_file(object, path, JSON_INDENT(2));
    json_decref(object);
    return rc == 0 ? 0 : bench_error(rig->run, "cannot write %s", path);
}

static int lane_mbytes_for(uint32_t names)
{
    int mbytes = LANE_MBYTES_MIN;
    while (mbytes < LANE_MBYTES_MAX && mbytes * (1 << 20) / LANE_BYTES_OF_NAME < (int)names)
        mbytes *= 2;
    return mbytes;
}

/* The port that blast sends to, or one with a file for each worker. */
static json_t *port_json(const struct rate_rig *rig, unsigned index)
{
    char name[24], address[32], path[PATH_SIZE + 32];
    bool is_replay = rig->replay_workers > 0;
    snprintf(name, sizeof(name), "bench%u", index);
    snprintf(address, sizeof(address), "10.0.%u.1/24", index);
    snprintf(path, sizeof(path), "%s/%u.pcap", rig->rig.dir, index);
    return json_pack("{s:s, s:s, s:s, s:s, s:[s], s:[{s:i, s:i}]}", "name", name, "profile",
                     is_replay ? "pcap_loop" : "vhost", "device",
                     is_replay ? path : rig->rig.socket, "mac", "02:00:00:00:00:01", "addresses",
                     address, "queues", "queue", 0, "core", bench_cpu(index));
}

static unsigned port_count(const struct rate_rig *rig)
{
    return rig->replay_workers > 0 ? rig->replay_workers : 1;
}

static int write_core_map(struct rate_rig *rig, uint32_t names)
{
    json_t *workers = json_array(), *ports = json_array();
    for (unsigned i = 0; i < port_count(rig); i++) {
        json_array_append_new(workers, json_integer(bench_cpu(i)));
        json_array_append_new(ports, port_json(rig, i));
    }
    /* Housekeeping shares the generator's core, which has time to spare, and not the worker's. */
    json_t *map = json_pack("{s:i, s:o, s:i, s:b, s:b, s:o}", "main_core", bench_cpu(1), "workers",
                            workers, "lane_mbytes", lane_mbytes_for(names), "idle_sleep", 0,
                            "force", 1, "ports", ports);
    return write_json(rig, rig->rig.core_map, map);
}

static int write_plan(struct rate_rig *rig, uint32_t names)
{
    json_t *listeners = json_array();
    for (unsigned i = 0; i < port_count(rig); i++) {
        char name[24], address[32];
        snprintf(name, sizeof(name), "statsd%u", i);
        snprintf(address, sizeof(address), "10.0.%u.1:8125", i);
        json_array_append_new(listeners,
                              json_pack("{s:s, s:s, s:s, s:s}", "name", name, "kind", "statsd",
                                        "address", address, "accumulator", "accum"));
    }
    json_t *plan =
        json_pack("{s:s, s:[{s:s, s:i, s:b, s:i}], s:o, s:[{s:s, s:s}]}", "hostname", "bench",
                  "accumulators", "name", "accum", "ticker_interval", 1, "legacy_namespaces", 0,
                  "names_max", (int)names + NAMES_SPARE, "listeners", listeners, "consumers",
                  "name", "bench", "message_matcher", "TRUE");
    return write_json(rig, rig->rig.plan, plan);
}

/* The traffic's cycle as a capture file for the port of that index. */
static int write_capture(struct rate_rig *rig, const struct traffic *traffic, unsigned index)
{
    struct traffic_route route = traffic_route_default;
    struct capture_file capture;
    uint8_t frame[TRAFFIC_FRAME_MAX];
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof(path), "%s/%u.pcap", rig->rig.dir, index);
    route.dst_ip += index << 8;
    int rc = capture_file_open(&capture, path);
    for (uint32_t k = 0; k < traffic_cycle(traffic) && rc == 0; k++)
        capture_file_add(&capture, frame, traffic_frame(traffic, &route, k, frame));
    if (rc == 0)
        rc = capture_file_close(&capture);
    return rc == 0 ? 0 : bench_error(rig->run, "cannot write %s: %s", path, strerror(-rc));
}

static int make_files(struct rate_rig *rig, const struct traffic *traffic)
{
    uint32_t names = traffic_names(traffic);
    struct err err = {0};
    int rc = take_errors(rig, plane_rig_make_dir(&rig->rig, "statsd_rate", &err), &err);
    for (unsigned i = 0; i < rig->replay_workers && rc == 0; i++)
        rc = write_capture(rig, traffic, i);
    if (rc == 0)
        rc = write_core_map(rig, names);
    return rc != 0 ? rc : write_plan(rig, names);
}

/* ---- programs ---- */

int rate_rig_open(struct rate_rig *rig, struct bench_run *run, const struct traffic *traffic,
                  unsigned replay_workers)
{
    struct err err = {0};
    CHECK(replay_workers <= RATE_RIG_WORKERS_MAX);
    *rig = (struct rate_rig){.run = run, .replay_workers = replay_workers};
    int rc = make_files(rig, traffic);
    return rc != 0 ? rc : take_errors(rig, plane_rig_start(&rig->rig, NULL, NULL, &err), &err);
}

int rate_rig_blast(struct rate_rig *rig, const char *const options[])
{
    struct err err = {0};
    return take_errors(rig, plane_rig_blast(&rig->rig, bench_cpu(1), options, &err), &err);
}

int rate_rig_wait_frames(struct rate_rig *rig, uint64_t frames, unsigned patience_s)
{
    struct err err = {0};
    return take_errors(rig, plane_rig_wait_frames(&rig->rig, frames, patience_s, &err), &err);
}

int rate_rig_sleep(struct rate_rig *rig, uint64_t ms)
{
    struct err err = {0};
    return take_errors(rig, plane_rig_sleep((double)ms, &err), &err);
}

int rate_rig_report(struct rate_rig *rig, unsigned timeout_ms)
{
    struct err err = {0};
    return take_errors(rig, plane_rig_report(&rig->rig, timeout_ms, &err), &err);
}

int rate_rig_stop(struct rate_rig *rig)
{
    struct err err = {0};
    return take_errors(rig, plane_rig_stop(&rig->rig, &err), &err);
}

void rate_rig_close(struct rate_rig *rig)
{
    plane_rig_close(&rig->rig);
}
