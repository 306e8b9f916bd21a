/* SPDX-License-Identifier: MPL-2.0
 *
 * selftest_plan.c - hekad's plan and core map, as the selftest starts them: ports become vhost
 *                   sockets, names of series are Heka's own, consumers wait for nobody but us.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ether.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/selftest/selftest.h"
#include "core/check.h"

enum { PAYLOAD_MIN = 512, PORT_QUEUES_MAX = 8, SLOTS_MAX = 256, HOST_SIZE = 64 };
#define OWN_CONSUMER "hekad selftest"

/* ---- whom the traffic is for ---- */

struct endpoint {
    bool is_any, is_ip4;
    uint32_t ip; /* host byte order */
    uint16_t port;
};

/* IP:PORT, [IP]:PORT or :PORT, which the data plane has checked. */
static void parse_address(const char *text, struct endpoint *endpoint)
{
    char host[HOST_SIZE] = "";
    struct in_addr ip4 = {0};
    struct in6_addr ip6;
    const char *colon = strrchr(text, ':');
    *endpoint = (struct endpoint){0};
    if (colon == NULL)
        return;
    endpoint->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    bool has_brackets = text[0] == '[';
    int len = (int)(colon - text) - 2 * has_brackets;
    snprintf(host, sizeof(host), "%.*s", len > 0 ? len : 0, text + has_brackets);
    endpoint->is_ip4 = inet_pton(AF_INET, host, &ip4) == 1;
    endpoint->ip = ntohl(ip4.s_addr);
    bool is_zero_ip6 = inet_pton(AF_INET6, host, &ip6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&ip6);
    endpoint->is_any = host[0] == '\0' || is_zero_ip6 || (endpoint->is_ip4 && endpoint->ip == 0);
}

/* The first IPv4 address of a port, or that one; false when it has none. */
static bool port_has(const json_t *port, const struct endpoint *endpoint, uint32_t *ip)
{
    json_t *item;
    size_t index;
    json_array_foreach(json_object_get(port, "addresses"), index, item)
    {
        char text[HOST_SIZE];
        struct in_addr address;
        snprintf(text, sizeof(text), "%s", json_string_value(item));
        text[strcspn(text, "/")] = '\0';
        if (inet_pton(AF_INET, text, &address) != 1)
            continue;
        *ip = ntohl(address.s_addr);
        if (endpoint->is_any || *ip == endpoint->ip)
            return true;
    }
    return false;
}

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* The port that the listener's traffic comes in by, and the address in it. */
static json_t *find_port(struct selftest *test, json_t *core_map, const json_t *listener)
{
    struct endpoint endpoint;
    json_t *port;
    size_t index;
    uint32_t ip = 0;
    parse_address(member(listener, "address"), &endpoint);
    json_array_foreach(json_object_get(core_map, "ports"), index, port)
    {
        if (!port_has(port, &endpoint, &ip))
            continue;
        test->target.route.dst_ip = ip;
        test->target.route.src_ip = ip ^ 1; /* a neighbour */
        test->target.route.dst_port = endpoint.port;
        return port;
    }
    return NULL;
}

static bool is_wanted(const struct selftest *test, const json_t *listener)
{
    const char *traffic = test->options.traffic;
    bool is_statsd = strcmp(member(listener, "kind"), "statsd") == 0;
    if (strcmp(member(listener, "net"), "tcp") == 0)
        return false;
    if (strcmp(traffic, "auto") == 0)
        return true;
    return is_statsd == (strncmp(traffic, "statsd", 6) == 0);
}

/* Statsd first, when both would do. */
static json_t *find_listener(struct selftest *test, json_t *plan, json_t *core_map, json_t **port)
{
    json_t *listener, *found = NULL;
    size_t index;
    json_array_foreach(json_object_get(plan, "listeners"), index, listener)
    {
        bool is_statsd = strcmp(member(listener, "kind"), "statsd") == 0;
        if (!is_wanted(test, listener) || (found != NULL && !is_statsd))
            continue;
        if (find_port(test, core_map, listener) == NULL)
            continue;
        found = listener;
        if (is_statsd)
            break;
    }
    *port = found != NULL ? find_port(test, core_map, found) : NULL;
    return found;
}

/* ---- the core map ---- */

static void set(json_t *object, const char *key, json_t *take_value)
{
    CHECK(json_object_set_new(object, key, take_value) == 0);
}

static void cut_queues(struct selftest *test, json_t *port)
{
    json_t *queues = json_object_get(port, "queues");
    size_t count = json_array_size(queues);
    if (count <= PORT_QUEUES_MAX)
        return;
    selftest_note(test, "port %s has %zu queues, a vhost port at most %d: the others stay idle",
                  member(port, "name"), count, PORT_QUEUES_MAX);
    while (json_array_size(queues) > PORT_QUEUES_MAX)
        json_array_remove(queues, json_array_size(queues) - 1);
}

/* In its place a socket; the addresses and the queues stay. */
static void replace_port(struct selftest *test, json_t *port, bool is_target, unsigned index)
{
    char text[PLANE_RIG_PATH_SIZE + 16];
    if (json_integer_value(json_object_get(port, "vlan")) != 0)
        selftest_note(test, "port %s: the traffic has no VLAN tags here", member(port, "name"));
    snprintf(text, sizeof(text), "%s/port%u.sock", test->rig.dir, index);
    set(port, "device", json_string(is_target ? test->rig.socket : text));
    set(port, "profile", json_string("vhost"));
    json_object_del(port, "vlan");
    json_object_del(port, "mtu");
    json_object_del(port, "promiscuous");
    snprintf(text, sizeof(text), "02:00:00:00:01:%02x", index + 1);
    if (strcmp(member(port, "mac"), "auto") == 0)
        set(port, "mac", json_string(text));
    cut_queues(test, port);
}

static void take_target(struct selftest *test, const json_t *port)
{
    struct ether_addr mac = {0};
    ether_aton_r(member(port, "mac"), &mac);
    memcpy(test->target.route.dst_mac, mac.ether_addr_octet, sizeof(mac.ether_addr_octet));
    test->target.port = member(port, "name");
    test->target.queues = (unsigned)json_array_size(json_object_get(port, "queues"));
}

static void replace_ports(struct selftest *test, json_t *core_map, const json_t *target)
{
    json_t *port;
    size_t index;
    json_array_foreach(json_object_get(core_map, "ports"), index, port)
    {
        if (port == target) /* the name stays readable in the report */
            set(test->request, "profile", json_string(member(port, "profile")));
        replace_port(test, port, port == target, (unsigned)index);
    }
    json_t *memory = json_object_get(core_map, "memory");
    set(memory, "mbytes", json_string("auto")); /* for frames of these ports */
    test->target.profile = member(test->request, "profile");
    take_target(test, target);
}

/* ---- the plan ---- */

/* What is not about speed, or is a limit for one sender, which we are. */
static void simplify(struct selftest *test, json_t *object, const char *const *keys)
{
    char found[SELFTEST_TEXT_SIZE / 2] = "";
    size_t used = 0;
    for (unsigned i = 0; keys[i] != NULL; i++) {
        if (json_object_get(object, keys[i]) == NULL)
            continue;
        json_object_del(object, keys[i]);
        int len = snprintf(found + used, sizeof(found) - used, " %s", keys[i]);
        used += used + (size_t)len < sizeof(found) ? (size_t)len : 0;
    }
    if (used > 0)
        selftest_note(test, "%s: with the defaults of%s, so that totals can be compared",
                      member(object, "name"), found);
}

static void simplify_plan(struct selftest *test, json_t *plan)
{
    static const char *const names[] = {"emit_in_payload",
                                        "emit_in_fields",
                                        "message_type",
                                        "legacy_namespaces",
                                        "global_prefix",
                                        "counter_prefix",
                                        "timer_prefix",
                                        "gauge_prefix",
                                        "statsd_prefix",
                                        "set_prefix",
                                        "histogram_prefix",
                                        "distribution_prefix",
                                        "meter_prefix",
                                        "naming",
                                        "etsy",
                                        "delete_idle_stats",
                                        "prefix_names_max",
                                        "prefix_parts",
                                        "sender_names_max",
                                        NULL};
    static const char *const quotas[] = {"sender_quota", NULL};
    json_t *item;
    size_t index;
    json_array_foreach(json_object_get(plan, "accumulators"), index, item)
        simplify(test, item, names);
    json_array_foreach(json_object_get(plan, "listeners"), index, item)
        simplify(test, item, quotas);
    json_array_foreach(json_object_get(plan, "consumers"), index, item)
        json_object_del(item, "policy"); /* a full lane has to be seen */
    json_object_del(plan, "rules");      /* there is one consumer more */
}

static int add_consumer(json_t *plan, struct err *err)
{
    bool used[SLOTS_MAX] = {false};
    json_t *consumers = json_object_get(plan, "consumers"), *item;
    size_t index;
    json_array_foreach(consumers, index, item)
    {
        json_int_t slot = json_integer_value(json_object_get(item, "slot"));
        if (slot >= 0 && slot < SLOTS_MAX)
            used[slot] = true;
    }
    for (int slot = 0; slot < SLOTS_MAX; slot++)
        if (!used[slot])
            return json_array_append_new(
                consumers, json_pack("{s:s, s:s, s:i}", "name", OWN_CONSUMER, "message_matcher",
                                     "Type == 'heka.statmetric'", "slot", slot));
    return err_add(err, "there are %d filters and outputs: none can be added", SLOTS_MAX);
}

static int64_t integer_of(const json_t *object, const char *key, int64_t def)
{
    json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : def;
}

static const json_t *find_named(const json_t *array, const char *name)
{
    json_t *item;
    size_t index;
    json_array_foreach(array, index, item) if (strcmp(member(item, "name"), name) == 0) return item;
    return NULL;
}

static void choose_statsd(struct selftest *test, const json_t *plan, const json_t *listener)
{
    const json_t *accumulator =
        find_named(json_object_get(plan, "accumulators"), member(listener, "accumulator"));
    bool is_single = strcmp(test->options.traffic, "statsd-single") == 0;
    int64_t names_max = integer_of(accumulator, "names_max", 1000000);
    int64_t cut = integer_of(listener, "max_msg_size", 0);
    test->target.kind = SELFTEST_STATSD;
    test->target.ticker_s = integer_of(accumulator, "ticker_interval", 10);
    test->target.timer_samples_max = integer_of(accumulator, "timer_samples_max", 4000000);
    test->params = is_single ? traffic_single : traffic_packed;
    traffic_set_names(&test->params,
                      names_max < SELFTEST_NAMES ? (uint32_t)names_max : SELFTEST_NAMES);
    if (test->target.queues > 1)
        test->params.gauge_percent = 0; /* the last value of two queues is anybody's */
    if (!is_single && cut > 0 && cut < test->params.payload_bytes)
        test->params.payload_bytes = cut > PAYLOAD_MIN ? (uint32_t)cut : PAYLOAD_MIN;
}

static int choose_capture(struct selftest *test, json_t *core_map, json_t **port, struct err *err)
{
    struct selftest_target *target = &test->target;
    if (access(test->options.traffic, R_OK) != 0)
        return err_add(err, "-traffic %s: %s", test->options.traffic, strerror(errno));
    if ((size_t)snprintf(target->capture, sizeof(target->capture), "%s", test->options.traffic) >=
        sizeof(target->capture))
        return err_add(err, "-traffic: the path is too long");
    *port = json_array_get(json_object_get(core_map, "ports"), 0);
    target->kind = SELFTEST_CAPTURE;
    return 0;
}

/* The real one, with whatever traffic somebody sends. */
static int choose_real_port(struct selftest *test, const json_t *core_map, struct err *err)
{
    const json_t *port = find_named(json_object_get(core_map, "ports"), test->options.port);
    if (port == NULL)
        return err_add(err, "-port: the core map has no port '%s'", test->options.port);
    test->target.kind = SELFTEST_WATCH;
    test->target.profile = member(port, "profile");
    take_target(test, port);
    return 0;
}

static bool is_own_traffic(const char *traffic)
{
    static const char *const names[] = {"auto", "statsd", "statsd-single", "text"};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++)
        if (strcmp(traffic, names[i]) == 0)
            return true;
    return false;
}

static int choose_traffic(struct selftest *test, json_t *plan, json_t *core_map, struct err *err)
{
    json_t *port = NULL, *listener = NULL;
    if (!is_own_traffic(test->options.traffic)) {
        if (choose_capture(test, core_map, &port, err) != 0)
            return -1;
    } else if ((listener = find_listener(test, plan, core_map, &port)) == NULL) {
        return err_add(err,
                       "-traffic %s: the data plane has no such listener for UDP over IPv4; a "
                       "capture can be sent instead",
                       test->options.traffic);
    }
    replace_ports(test, core_map, port);
    if (listener == NULL)
        return 0;
    test->target.listener = member(listener, "name");
    test->target.address = member(listener, "address");
    if (strcmp(member(listener, "kind"), "statsd") != 0)
        return selftest_text(test, listener, err);
    choose_statsd(test, plan, listener);
    return 0;
}

/* ---- */

static int write_json(const json_t *object, const char *path, struct err *err)
{
    return json_dump_file(object, path, JSON_INDENT(2)) == 0
               ? 0
               : err_add(err, "cannot write %s", path);
}

int selftest_plan(struct selftest *test, struct err *err)
{
    json_t *core_map = json_object_get(test->request, "core_map");
    json_t *plan = json_object_get(test->request, "plan");
    char prefix[48];
    test->target.route = traffic_route_default;
    test->target.queues = 1;
    snprintf(prefix, sizeof(prefix), "heka-selftest-%d", (int)getpid());
    set(core_map, "file_prefix", json_string(prefix));
    int rc = test->options.port[0] != '\0' ? choose_real_port(test, core_map, err)
                                           : choose_traffic(test, plan, core_map, err);
    if (rc != 0)
        return rc;
    selftest_choose_cpus(test, core_map);
    simplify_plan(test, plan);
    rc = add_consumer(plan, err);
    if (rc == 0)
        rc = write_json(core_map, test->rig.core_map, err);
    return rc == 0 ? write_json(plan, test->rig.plan, err) : rc;
}
