/* SPDX-License-Identifier: MPL-2.0
 *
 * blast.c - sends statsd traffic with known totals, or a capture, through a DPDK port, or through
 *           the kernel.
 *
 * Place:   bench/plane_rig.c and deploy/quickstart start it; bench/README.md has examples.
 * Threads: one.
 * Failure: wrong options exit 2; a port that does not start or stalls exits 1. What was sent is
 *          printed as one line of JSON in every case in which something was sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <netinet/ether.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/blast_capture.h"
#include "bench/blast_port.h"
#include "bench/blast_socket.h"
#include "bench/traffic.h"
#include "core/check.h"

enum {
    BURST_DEFAULT = 32,
    STALL_S = 10,
    SECONDS_DEFAULT = 5,
    SECONDS_MAX = 86400,
    MEMORY_MBYTES = 64,
    LINGER_MS = 200, /* for the receiver to take what is in the ring */
    HUGE_PAGE = 2 << 20,
    DEVICE_SIZE = 240
};

struct settings {
    struct traffic_params params;
    struct traffic_route route;
    struct blast_port_config port;
    struct blast_plan plan;
    char device[DEVICE_SIZE];
    const char *socket;  /* of a receiver; then `device` is made of it */
    const char *capture; /* NULL: statsd traffic */
    const char *totals_path;
    bool udp; /* through the kernel instead */
    bool hold;
    bool dry_run;
};

static volatile sig_atomic_t stop;

static void on_signal(int signal_number)
{
    (void)signal_number;
    stop = 1;
}

/* ---- options ---- */

// clang-format off
enum { /* long options; the table below is the help, too */
    OPT_SOCKET = 1, OPT_VDEV, OPT_PCI, OPT_UDP, OPT_CPU, OPT_HUGE, OPT_NO_HUGE, OPT_MEMORY,
    OPT_PACKED, OPT_SINGLE, OPT_SEED, OPT_NAMES, OPT_PAYLOAD, OPT_GAUGES, OPT_TIMERS, OPT_SAMPLED,
    OPT_NAME_MIN, OPT_NAME_MAX, OPT_VALUE_MAX,
    OPT_FRAMES, OPT_SECONDS, OPT_RATE, OPT_BURST, OPT_STALL, OPT_DEPTH, OPT_WARM,
    OPT_FROM, OPT_TO, OPT_SRC_MAC, OPT_DST_MAC, OPT_FLOWS,
    OPT_CAPTURE, OPT_QUEUES, OPT_TOTALS, OPT_HOLD, OPT_DRY_RUN, OPT_HELP
};

struct option_row {
    const char *name;
    int id;
    const char *value; /* NULL: none */
    const char *help;
};

static const struct option_row rows[] = {
    {"socket", OPT_SOCKET, "PATH", "send into the vhost-user socket of a receiver"},
    {"vdev", OPT_VDEV, "ARG", "send through this DPDK virtual device"},
    {"pci", OPT_PCI, "ADDRESS", "send through this PCI device"},
    {"udp", OPT_UDP, NULL, "send through the kernel's UDP, to --to"},
    {"cpu", OPT_CPU, "N", "core to send from (the last of those allowed)"},
    {"huge", OPT_HUGE, NULL, "use hugepages (when there are free ones)"},
    {"no-huge", OPT_NO_HUGE, NULL, "do not"},
    {"memory", OPT_MEMORY, "MB", "memory for EAL (64; large mbufs need more)"},
    {"queues", OPT_QUEUES, "N", "send queues of the port, one after the other, 1 to 8 (1)"},
    {"capture", OPT_CAPTURE, "FILE", "frames of a pcap file, over and over, instead of statsd"},
    {"packed", OPT_PACKED, NULL, "1,432-byte datagrams of many lines, 10,000 names (default)"},
    {"single", OPT_SINGLE, NULL, "one line each, 64-byte frames; give this before what it sets"},
    {"seed", OPT_SEED, "N", "the traffic is a function of the seed and of what follows (1)"},
    {"names", OPT_NAMES, "N", "distinct series (10000)"},
    {"payload", OPT_PAYLOAD, "N", "bytes of lines in a datagram; 0: one line each"},
    {"gauges", OPT_GAUGES, "N", "percent of the names that are gauges (5)"},
    {"timers", OPT_TIMERS, "N", "percent of the names that are timers (5)"},
    {"sampled", OPT_SAMPLED, "N", "percent of the counter lines that have |@0.5 (0)"},
    {"name-min", OPT_NAME_MIN, "N", "bytes of the shortest name"},
    {"name-max", OPT_NAME_MAX, "N", "bytes of the longest name"},
    {"value-max", OPT_VALUE_MAX, "N", "values are 1 to N"},
    {"frames", OPT_FRAMES, "N", "stop after N frames"},
    {"seconds", OPT_SECONDS, "N", "stop after N seconds (5 when neither is given)"},
    {"rate", OPT_RATE, "N", "frames a second (as many as the port takes)"},
    {"burst", OPT_BURST, "N", "frames offered at once, 1 to 64 (32)"},
    {"depth", OPT_DEPTH, "N", "with --rate: make up for N frames at most; 0: for all (0)"},
    {"warm", OPT_WARM, "N", "milliseconds before refused frames are counted as late (0)"},
    {"stall", OPT_STALL, "N", "give up when the port takes nothing for N seconds (10)"},
    {"from", OPT_FROM, "IP:PORT", "source (10.0.0.2:40000)"},
    {"to", OPT_TO, "IP:PORT", "destination (10.0.0.1:8125)"},
    {"src-mac", OPT_SRC_MAC, "MAC", "source (02:00:00:00:00:02)"},
    {"dst-mac", OPT_DST_MAC, "MAC", "destination (02:00:00:00:00:01)"},
    {"flows", OPT_FLOWS, "N", "source ports, from that of --from on (1)"},
    {"totals", OPT_TOTALS, "FILE", "write name, type, samples, sum, last value of each series"},
    {"hold", OPT_HOLD, NULL, "keep the port until standard input ends"},
    {"dry-run", OPT_DRY_RUN, NULL, "send nothing: totals of --frames frames"},
    {"help", OPT_HELP, NULL, "this"},
};
// clang-format on

static void print_help(void)
{
    printf("usage: blast (--socket PATH | --vdev ARG | --pci ADDRESS | --udp) [OPTION]...\n"
           "Sends statsd traffic with known totals through a DPDK port; waits for the port, so\n"
           "that a ring loses nothing. Prints what was sent as one line of JSON.\n\n");
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s %s", rows[i].name,
                 rows[i].value != NULL ? rows[i].value : "");
        printf("  %-18s %s\n", left, rows[i].help);
    }
}

static int refuse(int id, const char *text, const char *allowed)
{
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
        if (rows[i].id == id)
            fprintf(stderr, "blast: --%s is %s; allowed is %s\n", rows[i].name, text, allowed);
    return -1;
}

static int parse_number(int id, const char *text, uint64_t max, uint64_t *value)
{
    char *end, allowed[64];
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number <= max) {
        *value = number;
        return 0;
    }
    snprintf(allowed, sizeof(allowed), "a number from 0 to %llu", (unsigned long long)max);
    return refuse(id, text, allowed);
}

static int parse_seconds(int id, const char *text, double *seconds)
{
    char *end;
    *seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(*seconds > 0 && *seconds <= SECONDS_MAX))
        return refuse(id, text, "seconds above 0, up to 86400");
    return 0;
}

static int parse_endpoint(int id, const char *text, uint32_t *ip, uint16_t *udp_port)
{
    char host[INET_ADDRSTRLEN] = "";
    unsigned number = 0;
    char rest;
    struct in_addr address;
    if (sscanf(text, "%15[0-9.]:%5u%c", host, &number, &rest) != 2 || number > UINT16_MAX ||
        inet_pton(AF_INET, host, &address) != 1)
        return refuse(id, text, "an IPv4 address and a port, as 10.0.0.1:8125");
    *ip = ntohl(address.s_addr);
    *udp_port = (uint16_t)number;
    return 0;
}

static int parse_mac(int id, const char *text, uint8_t mac[6])
{
    struct ether_addr address;
    if (ether_aton_r(text, &address) == NULL)
        return refuse(id, text, "a MAC address, as 02:00:00:00:00:01");
    memcpy(mac, address.ether_addr_octet, 6);
    return 0;
}

static int parse_device(int id, const char *text, struct settings *settings)
{
    int len = snprintf(settings->device, DEVICE_SIZE, "%s", text);
    settings->socket = NULL;
    settings->port.pci = id == OPT_PCI;
    return len < DEVICE_SIZE ? 0 : refuse(id, text, "a shorter text");
}

/* virtio_user as the other end of a vhost port, once the number of queues is known. */
static int name_socket_device(struct settings *settings)
{
    int len = snprintf(settings->device, DEVICE_SIZE,
                       "net_virtio_user0,path=%s,queue_size=1024,packed_vq=1,mrg_rxbuf=0,"
                       "in_order=1,mac=02:00:00:00:00:02,queues=%u",
                       settings->socket, settings->port.queues);
    return len < DEVICE_SIZE ? 0 : refuse(OPT_SOCKET, settings->socket, "a shorter text");
}

/* Where a number goes, and what is allowed beyond what traffic_new() checks. */
static int apply_number(struct settings *settings, int id, const char *text)
{
    struct traffic_params *params = &settings->params;
    uint64_t value = 0;
    uint64_t max = id == OPT_SEED || id == OPT_FRAMES ? UINT64_MAX - 1 : UINT32_MAX;
    if (parse_number(id, text, max, &value) != 0)
        return -1;
    // clang-format off
    switch (id) {
    case OPT_SEED: params->seed = value; break;
    case OPT_NAMES: params->names = (uint32_t)value; break;
    case OPT_PAYLOAD: params->payload_bytes = (uint32_t)value; break;
    case OPT_GAUGES: params->gauge_percent = (uint32_t)value; break;
    case OPT_TIMERS: params->timer_percent = (uint32_t)value; break;
    case OPT_SAMPLED: params->sampled_percent = (uint32_t)value; break;
    case OPT_NAME_MIN: params->name_bytes_min = (uint32_t)value; break;
    case OPT_NAME_MAX: params->name_bytes_max = (uint32_t)value; break;
    case OPT_VALUE_MAX: params->value_max = (uint32_t)value; break;
    case OPT_FRAMES: settings->plan.frames_max = value; break;
    case OPT_RATE: settings->plan.rate = (double)value; break;
    case OPT_DEPTH: settings->plan.depth = (unsigned)value; break;
    case OPT_WARM: settings->plan.warm_s = (double)value / 1000; break;
    case OPT_STALL: settings->plan.stall_s = (double)value; break;
    case OPT_MEMORY: settings->port.memory_mbytes = (unsigned)value; break;
    case OPT_CPU: settings->port.cpu = value < BENCH_CPUS_MAX ? (int)value : -1; break;
    case OPT_QUEUES:
        if (value < 1 || value > BLAST_QUEUES_MAX)
            return refuse(id, text, "1 to 8");
        settings->port.queues = (unsigned)value;
        break;
    case OPT_FLOWS:
        if (value < 1 || value > 20000)
            return refuse(id, text, "1 to 20000");
        settings->route.flows = (uint16_t)value;
        break;
    default: /* OPT_BURST */
        if (value < 1 || value > BLAST_BURST_MAX)
            return refuse(id, text, "1 to 64");
        settings->plan.burst = (unsigned)value;
    }
    // clang-format on
    return 0;
}

/* 1: --help */
static int apply_option(struct settings *settings, int id, const char *text)
{
    struct traffic_route *route = &settings->route;
    // clang-format off
    switch (id) {
    case OPT_SOCKET: settings->socket = text; return 0;
    case OPT_CAPTURE: settings->capture = text; return 0;
    case OPT_VDEV:
    case OPT_PCI: return parse_device(id, text, settings);
    case OPT_UDP: settings->udp = true; return 0;
    case OPT_HUGE: settings->port.huge = true; return 0;
    case OPT_NO_HUGE: settings->port.huge = false; return 0;
    case OPT_PACKED: settings->params = traffic_packed; return 0;
    case OPT_SINGLE: settings->params = traffic_single; return 0;
    case OPT_FROM: return parse_endpoint(id, text, &route->src_ip, &route->src_port);
    case OPT_TO: return parse_endpoint(id, text, &route->dst_ip, &route->dst_port);
    case OPT_SRC_MAC: return parse_mac(id, text, route->src_mac);
    case OPT_DST_MAC: return parse_mac(id, text, route->dst_mac);
    case OPT_SECONDS: return parse_seconds(id, text, &settings->plan.seconds_max);
    case OPT_TOTALS: settings->totals_path = text; return 0;
    case OPT_HOLD: settings->hold = true; return 0;
    case OPT_DRY_RUN: settings->dry_run = true; return 0;
    case OPT_HELP: return 1;
    default: return apply_number(settings, id, text);
    }
    // clang-format on
}

static int last_cpu(void)
{
    unsigned n = 0;
    while (bench_cpu(n + 1) >= 0)
        n++;
    return bench_cpu(n);
}

static int check_settings(const struct settings *settings)
{
    if (settings->dry_run && settings->plan.frames_max != 0)
        return 0;
    if (settings->dry_run)
        fprintf(stderr, "blast: --dry-run needs --frames\n");
    else if (settings->capture != NULL && (settings->udp || settings->totals_path != NULL))
        fprintf(stderr, "blast: --capture goes with neither --udp nor --totals\n");
    else if ((settings->device[0] != '\0') == settings->udp)
        fprintf(stderr, "blast: one of --socket, --vdev, --pci, --udp is needed; see --help\n");
    else
        return 0;
    return -1;
}

/* 0, 1 after --help, -1 */
static int parse_args(int argc, char **argv, struct settings *settings)
{
    struct option options[ARRAY_COUNT(rows) + 1] = {0};
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
        options[i] = (struct option){rows[i].name, rows[i].value != NULL, NULL, rows[i].id};
    for (int id; (id = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int rc = id == '?' ? -1 : apply_option(settings, id, optarg);
        if (rc != 0)
            return rc;
    }
    if (optind < argc) {
        fprintf(stderr, "blast: %s is no option; see --help\n", argv[optind]);
        return -1;
    }
    if (settings->plan.frames_max == 0 && settings->plan.seconds_max <= 0)
        settings->plan.seconds_max = SECONDS_DEFAULT;
    settings->port.device = settings->device;
    if (settings->socket != NULL && name_socket_device(settings) != 0)
        return -1;
    return check_settings(settings);
}

/* ---- frames ---- */

/* Large pages where the kernel gives them: a cycle is some megabytes, walked again and again. */
static uint8_t *allocate_table(size_t size)
{
    size_t rounded = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    uint8_t *table = aligned_alloc(HUGE_PAGE, rounded);
    CHECK(table != NULL);
    madvise(table, rounded, MADV_HUGEPAGE);
    return table;
}

static void make_frames(const struct traffic *traffic, const struct traffic_route *route,
                        struct blast_frames *frames)
{
    uint8_t frame[TRAFFIC_FRAME_MAX];
    uint32_t count = traffic_cycle(traffic);
    uint16_t *sizes = calloc(count, sizeof(*sizes));
    CHECK(sizes != NULL);
    uint16_t size_max = 0;
    for (uint32_t k = 0; k < count; k++) {
        sizes[k] = (uint16_t)traffic_frame(traffic, route, k, frame);
        size_max = sizes[k] > size_max ? sizes[k] : size_max;
    }
    uint32_t stride = (size_max + 63u) / 64 * 64;
    uint8_t *bytes = allocate_table((size_t)stride * count);
    for (uint32_t k = 0; k < count; k++)
        memcpy(bytes + (size_t)k * stride, frame, traffic_frame(traffic, route, k, frame));
    *frames = (struct blast_frames){bytes, stride, sizes, count, size_max};
}

/* ---- report ---- */

static json_t *by_type(const double values[TRAFFIC_TYPE_COUNT])
{
    return json_pack("{s:f, s:f, s:f}", "counter", values[TRAFFIC_COUNTER], "gauge",
                     values[TRAFFIC_GAUGE], "timer", values[TRAFFIC_TIMER]);
}

static json_t *by_type_integer(const uint64_t values[TRAFFIC_TYPE_COUNT])
{
    return json_pack("{s:I, s:I, s:I}", "counter", (json_int_t)values[TRAFFIC_COUNTER], "gauge",
                     (json_int_t)values[TRAFFIC_GAUGE], "timer", (json_int_t)values[TRAFFIC_TIMER]);
}

static void print_report(const struct settings *settings, const struct traffic *traffic,
                         const struct blast_sent *sent)
{
    struct traffic_sum sum = {0};
    double seconds = sent->elapsed_s > 0 ? sent->elapsed_s : 1;
    if (settings->capture == NULL)
        traffic_sum(traffic, 0, sent->frames, &sum);
    json_t *report = json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:b}", "frames",
        (json_int_t)sent->frames, "metrics", (json_int_t)sum.metrics, "payload_bytes",
        (json_int_t)sum.payload_bytes, "elapsed_s", sent->elapsed_s, "frames_per_s",
        (double)sent->frames / seconds, "metrics_per_s", (double)sum.metrics / seconds, "refusals",
        (json_int_t)sent->refusals, "received", (json_int_t)sent->received, "late",
        (json_int_t)sent->late, "forgiven", (json_int_t)sent->forgiven, "stalled", sent->stalled);
    CHECK(report != NULL);
    json_object_set_new(report, "samples", by_type_integer(sum.samples));
    json_object_set_new(report, "sums", by_type(sum.sums));
    json_object_set_new(report, "seed", json_integer((json_int_t)settings->params.seed));
    json_object_set_new(report, "names", json_integer(settings->params.names));
    json_object_set_new(report, "payload", json_integer(settings->params.payload_bytes));
    json_object_set_new(report, "cycle", json_integer(traffic_cycle(traffic)));
    json_object_set_new(report, "dpdk", json_string(blast_port_version()));
    json_object_set_new(report, "huge", json_boolean(settings->port.huge));
    json_dumpf(report, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(report);
}

static int write_totals(const char *path, const struct settings *settings,
                        const struct traffic *traffic, uint64_t frames)
{
    static const char *const types[TRAFFIC_TYPE_COUNT] = {"counter", "gauge", "timer"};
    uint32_t names = settings->params.names;
    struct traffic_total *totals = calloc(names, sizeof(*totals));
    FILE *file = fopen(path, "we");
    CHECK(totals != NULL);
    if (file != NULL) {
        traffic_totals(traffic, 0, frames, totals);
        for (uint32_t i = 0; i < names; i++) {
            char name[TRAFFIC_NAME_MAX + 1];
            traffic_name(traffic, i, name);
            fprintf(file, "%s\t%s\t%llu\t%.2f\t%.2f\n", name, types[traffic_type(traffic, i)],
                    (unsigned long long)totals[i].samples, totals[i].sum, totals[i].last);
        }
    }
    free(totals);
    if (file == NULL || ferror(file) | fclose(file)) {
        fprintf(stderr, "blast: cannot write %s: %s\n", path, strerror(errno));
        return -1;
    }
    return 0;
}

/* ---- */

/* The receiver needs time to take what is in the ring: closing the port would lose it. */
static void linger(const struct settings *settings)
{
    char byte;
    if (!settings->hold)
        usleep(LINGER_MS * 1000);
    while (settings->hold && !stop && read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

static int send_by_port(const struct settings *settings, const struct traffic *traffic,
                        struct blast_sent *sent, struct err *err)
{
    struct blast_frames frames = {0};
    int rc = 0;
    if (settings->capture == NULL)
        make_frames(traffic, &settings->route, &frames);
    else
        rc = blast_capture_read(settings->capture, settings->route.dst_mac, &frames, err);
    if (rc == 0)
        rc = blast_port_open(&settings->port, frames.size_max, err);
    if (rc == 0)
        blast_port_send(&frames, &settings->plan, &stop, sent);
    free(frames.bytes); /* the port has copies */
    free(frames.sizes);
    return rc;
}

static int send_all(const struct settings *settings, const struct traffic *traffic,
                    struct blast_sent *sent)
{
    struct err err = {0};
    int rc = settings->udp ? blast_socket_send(traffic, &settings->route, settings->port.cpu,
                                               &settings->plan, &stop, sent, &err)
                           : send_by_port(settings, traffic, sent, &err);
    err_print(&err, stderr);
    if (sent->stalled)
        fprintf(stderr, "blast: the port took nothing for %.0f s: no receiver?\n",
                settings->plan.stall_s);
    return sent->stalled ? -1 : rc;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no restart: read() must return */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL); /* a receiver that goes is an error of the port */
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .params = traffic_packed,
        .route = traffic_route_default,
        .port = {.cpu = last_cpu(), .memory_mbytes = MEMORY_MBYTES, .queues = 1},
        .plan = {.stall_s = STALL_S, .burst = BURST_DEFAULT}};
    struct traffic *traffic = NULL;
    struct blast_sent sent = {0};
    struct err err = {0};
    settings.port.huge = blast_huge_free_mbytes() >= 2 * MEMORY_MBYTES;
    int rc = parse_args(argc, argv, &settings);
    if (rc > 0)
        print_help();
    if (rc != 0)
        return rc > 0 ? 0 : 2;
    if (traffic_new(&settings.params, &traffic, &err) != 0) {
        err_print(&err, stderr);
        return 2;
    }
    catch_signals();
    sent.frames = settings.dry_run ? settings.plan.frames_max : 0;
    if (!settings.dry_run)
        rc = send_all(&settings, traffic, &sent);
    if (rc == 0 || sent.frames > 0)
        print_report(&settings, traffic, &sent);
    if (settings.totals_path != NULL &&
        write_totals(settings.totals_path, &settings, traffic, sent.frames) != 0)
        rc = -1;
    if (!settings.dry_run && sent.frames > 0) {
        linger(&settings);
        if (!settings.udp)
            blast_port_close();
    }
    traffic_free(traffic);
    return rc == 0 ? 0 : 1;
}
