/* SPDX-License-Identifier: MPL-2.0 */
#include "core/core_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/conf_build.h"
#include "core/core_map_address.h"
#include "core/core_map_build.h"

enum { CORE_MAP_NAME_LEN_MAX = 31, CORE_MAP_DEVICE_LEN_MAX = 255, CORE_MAP_PREFIX_LEN_MAX = 63 };

/* ---- keys ---- */

static const char *const pages_choices[] = {
    [PAGES_AUTO] = "auto", [PAGES_HUGE] = "huge", [PAGES_NORMAL] = "normal", NULL};

/* clang-format off */
#define AT(member) offsetof(struct core_map_memory_keys, member)
static const struct schema_key memory_keys[] = {
    {.key = "pages", .type = SCHEMA_CHOICE, .offset = AT(pages), .choices = pages_choices,
     .def = "auto", .help = "huge or normal pages; auto: huge if enough of them are free"},
    {.key = "mbytes", .type = SCHEMA_INT, .flags = SCHEMA_AUTO, .offset = AT(mbytes), .min = 16,
     .max = 1 << 20, .def = "auto", .unit = "MiB",
     .help = "memory for EAL; auto: what all mbufs need, and 64 MiB, and 8 for each worker"},
    {.key = "mbufs_per_port", .type = SCHEMA_INT, .flags = SCHEMA_AUTO,
     .offset = AT(mbufs_per_port), .min = 512, .max = 1 << 22, .def = "auto", .unit = "mbufs",
     .help = "frames that a port can hold; auto: 16384, which stays in L3, or what the queues "
             "need"},
    {.key = NULL},
};
#undef AT
/* clang-format on */
static const struct schema memory_schema = {"memory", memory_keys};

/* clang-format off */
#define AT(member) offsetof(struct core_map_keys, member)
static const struct schema_key map_keys[] = {
    {.key = "file_prefix", .type = SCHEMA_STRING, .offset = AT(file_prefix), .def = "auto",
     .help = "EAL's name for this instance; auto: hekaline"},
    {.key = "main_core", .type = SCHEMA_INT, .flags = SCHEMA_AUTO, .offset = AT(main_core),
     .min = 0, .max = UINT16_MAX, .def = "auto",
     .help = "CPU of the housekeeping thread, which mostly sleeps; auto: the lowest that is no "
             "worker"},
    {.key = "workers", .type = SCHEMA_INTS, .flags = SCHEMA_AUTO, .offset = AT(workers), .min = 0,
     .max = UINT16_MAX, .def = "auto",
     .help = "CPUs that poll; auto: one for each queue, as far as there are CPUs"},
    {.key = "hekad_cores", .type = SCHEMA_INTS, .flags = SCHEMA_AUTO, .offset = AT(hekad_cores),
     .min = 0, .max = UINT16_MAX, .def = "auto",
     .help = "CPUs of hekad's threads; auto: all that no worker polls"},
    {.key = "sandbox_cores", .type = SCHEMA_INTS, .flags = SCHEMA_AUTO,
     .offset = AT(sandbox_cores), .min = 0, .max = UINT16_MAX, .def = "auto",
     .help = "CPUs of heka-sandbox: each process is pinned to one of them, the one with the "
             "fewest; auto: where hekad runs, not pinned"},
    {.key = "memory", .type = SCHEMA_TABLE, .offset = AT(memory), .sub = &memory_schema,
     .help = "memory of EAL"},
    {.key = "lane_mbytes", .type = SCHEMA_INT, .flags = SCHEMA_AUTO, .offset = AT(lane_mbytes),
     .min = 1, .max = 4096, .def = "auto", .unit = "MiB",
     .help = "size of each lane to hekad, a power of two; auto: 16"},
    {.key = "lane_huge_pages", .type = SCHEMA_BOOL, .flags = SCHEMA_AUTO,
     .offset = AT(lane_huge_pages), .def = "auto",
     .help = "lanes in hugepages; auto: when a hugetlbfs is mounted and has pages to spare"},
    {.key = "tcp_connections", .type = SCHEMA_INT, .offset = AT(tcp_connections), .min = 1,
     .max = 65536, .def = "1024", .unit = "connections",
     .help = "that each worker can have at a time; SYN of more are not answered"},
    {.key = "idle_sleep", .type = SCHEMA_BOOL, .flags = SCHEMA_AUTO, .offset = AT(idle_sleep),
     .def = "auto",
     .help = "workers sleep a little when nothing arrives; auto: when all ports are software"},
    {.key = "force", .type = SCHEMA_BOOL, .offset = AT(force), .def = "false",
     .help = "accept a queue polled from another NUMA node, and two roles on one core"},
    {.key = "ports", .type = SCHEMA_NODE, .flags = SCHEMA_REQUIRED, .offset = AT(ports),
     .unit = "a list of 1 to 8 ports", .help = "the ports, see below"},
    {.key = NULL},
};
#undef AT
/* clang-format on */
const struct schema core_map_schema = {"core map", map_keys};

/* clang-format off */
#define AT(member) offsetof(struct core_map_port_keys, member)
static const struct schema_key port_keys[] = {
    {.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .offset = AT(name),
     .help = "name in counters and reports"},
    {.key = "profile", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .offset = AT(profile),
     .help = "file in nic-profiles, without .json"},
    {.key = "device", .type = SCHEMA_STRING, .offset = AT(device), .def = "",
     .help = "interface, PCI address, socket path or pcap file, as the profile says"},
    {.key = "vlan", .type = SCHEMA_INT, .offset = AT(vlan), .min = 0, .max = 4094, .def = "0",
     .help = "VLAN of the addresses; 0: untagged"},
    {.key = "mtu", .type = SCHEMA_INT, .flags = SCHEMA_AUTO, .offset = AT(mtu), .min = 68,
     .max = UINT16_MAX, .def = "auto", .unit = "bytes",
     .help = "largest IP packet; auto: the profile's"},
    {.key = "promiscuous", .type = SCHEMA_BOOL, .flags = SCHEMA_AUTO, .offset = AT(promiscuous),
     .def = "auto", .help = "receive frames for other stations, too; auto: the profile's"},
    {.key = "mac", .type = SCHEMA_STRING, .offset = AT(mac), .def = "auto",
     .help = "MAC address as 02:00:00:00:00:01; auto: the device's own"},
    {.key = "addresses", .type = SCHEMA_STRINGS, .offset = AT(addresses),
     .help = "our addresses with prefix length, as 192.0.2.1/24 or 2001:db8::1/64, at most 16"},
    {.key = "queues", .type = SCHEMA_NODE, .offset = AT(queues), .def = "auto",
     .unit = "\"auto\" or a list of 1 to 16 {\"queue\": N, \"core\": N}",
     .help = "which core polls which receive queue, all from 0 on; auto: one for each worker on "
             "the device's NUMA node, up to the profile's queues_auto"},
    {.key = NULL},
};
#undef AT
/* clang-format on */
const struct schema core_map_port_schema = {"port", port_keys};

struct queue_keys {
    int64_t queue, core;
};

/* clang-format off */
#define AT(member) offsetof(struct queue_keys, member)
static const struct schema_key queue_keys[] = {
    {.key = "queue", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .offset = AT(queue), .min = 0,
     .max = CORE_MAP_QUEUES_MAX - 1, .help = "receive queue of the port"},
    {.key = "core", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .offset = AT(core), .min = 0,
     .max = UINT16_MAX, .help = "CPU that polls it"},
    {.key = NULL},
};
#undef AT
/* clang-format on */
const struct schema core_map_queue_schema = {"queue", queue_keys};

/* ---- helpers ---- */

void core_map_refuse(struct core_map_build *build, const struct conf_node *table, const char *key,
                     const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    const struct conf_node *node = conf_get(table, key);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_at(build->err, table->file, node != NULL ? node->line : table->line, "%s: %s", key, text);
    build->result = -1;
}

/* True for a list of 1 to `max` items. */
static bool is_list(struct core_map_build *build, const struct conf_node *table, const char *key,
                    const struct conf_node *list, unsigned max)
{
    char found[128], allowed[128];
    const struct schema_key *keys = table == build->root ? map_keys : port_keys;
    if (list->type == CONF_ARRAY && list->count > 0 && list->count <= max)
        return true;
    while (strcmp(keys->key, key) != 0)
        keys++;
    schema_allowed(keys, allowed, sizeof(allowed));
    schema_found(list, found, sizeof(found));
    if (list->type == CONF_ARRAY)
        snprintf(found, sizeof(found), "a list of %u", list->count);
    core_map_refuse(build, table, key, "found %s, allowed %s", found, allowed);
    return false;
}

/* Names go to file names, counters and command lines. */
static bool is_name(const char *text, size_t len_max)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t len = strlen(text);
    return len > 0 && len <= len_max && strspn(text, allowed) == len && text[0] != '.' &&
           text[0] != '-';
}

static void check_cpu(struct core_map_build *build, const struct conf_node *table, const char *key,
                      int64_t cpu)
{
    if (cpu == SCHEMA_AUTO_VALUE || cpu < build->machine->cpu_count)
        return;
    core_map_refuse(build, table, key, "found CPU %d, allowed 0 to %u on this machine", (int)cpu,
                    build->machine->cpu_count - 1);
}

/* ---- the map's own keys ---- */

static int compare_cpus(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

/* Into `cpus`, ascending. Returns how many. */
static unsigned set_cpus(struct core_map_build *build, const char *key,
                         const struct schema_list *list, unsigned cpus[CORE_MAP_WORKERS_MAX])
{
    const int64_t *items = list->items;
    if (list->count > CORE_MAP_WORKERS_MAX) {
        core_map_refuse(build, build->root, key, "found %zu, allowed 1 to %d", list->count,
                        CORE_MAP_WORKERS_MAX);
        return 0;
    }
    for (size_t i = 0; i < list->count; i++) {
        check_cpu(build, build->root, key, items[i]);
        cpus[i] = (unsigned)items[i];
    }
    qsort(cpus, list->count, sizeof(cpus[0]), compare_cpus);
    for (size_t i = 1; i < list->count; i++)
        if (cpus[i] == cpus[i - 1])
            core_map_refuse(build, build->root, key, "found CPU %u twice", cpus[i]);
    return (unsigned)list->count;
}

static void set_roles(struct core_map_build *build)
{
    const struct core_map_keys *keys = &build->keys;
    struct core_map *map = build->map;
    map->worker_count = set_cpus(build, "workers", &keys->workers, map->workers);
    map->hekad_cores.count =
        set_cpus(build, "hekad_cores", &keys->hekad_cores, map->hekad_cores.cpus);
    map->sandbox_cores.count =
        set_cpus(build, "sandbox_cores", &keys->sandbox_cores, map->sandbox_cores.cpus);
}

static void check_lane(struct core_map_build *build)
{
    int64_t mbytes = build->keys.lane_mbytes;
    if (mbytes != SCHEMA_AUTO_VALUE && (mbytes & (mbytes - 1)) != 0)
        core_map_refuse(build, build->root, "lane_mbytes",
                        "found %d, allowed are powers of two from 1 to 4096 MiB", (int)mbytes);
}

static void set_globals(struct core_map_build *build)
{
    const struct core_map_keys *keys = &build->keys;
    build->map->force = keys->force;
    if (!is_name(keys->file_prefix, CORE_MAP_PREFIX_LEN_MAX))
        core_map_refuse(build, build->root, "file_prefix",
                        "found \"%.80s\", allowed 1 to %d letters, digits, '_', '-' and '.'",
                        keys->file_prefix, CORE_MAP_PREFIX_LEN_MAX);
    check_cpu(build, build->root, "main_core", keys->main_core);
    set_roles(build);
    check_lane(build);
}

/* ---- ports ---- */

static void set_profile(struct core_map_build *build, struct core_map_port *port,
                        const struct core_map_port_keys *keys)
{
    if (keys->profile == NULL) /* reported as missing */
        return;
    port->profile = nic_profile_find(build->map->profiles, keys->profile);
    if (port->profile == NULL)
        core_map_refuse(build, keys->node, "profile", "found \"%.40s\", allowed %s", keys->profile,
                        nic_profiles_names(build->map->profiles));
}

/* A device ends up inside an EAL argument, where a comma would begin another one. */
static void set_device(struct core_map_build *build, struct core_map_port *port,
                       const struct core_map_port_keys *keys)
{
    size_t len = strlen(keys->device);
    if (port->profile != NULL && port->profile->device_required && len == 0)
        core_map_refuse(build, keys->node, "device", "missing in port '%s', required is %s",
                        port->name, port->profile->device_help);
    if (len > CORE_MAP_DEVICE_LEN_MAX)
        core_map_refuse(build, keys->node, "device", "found %zu bytes, allowed at most %d", len,
                        CORE_MAP_DEVICE_LEN_MAX);
    for (const char *at = keys->device; *at != '\0'; at++) {
        if ((unsigned char)*at > ' ' && *at != ',' && *at != 0x7f)
            continue;
        core_map_refuse(build, keys->node, "device",
                        "found a %s, which EAL's arguments cannot hold",
                        *at == ','   ? "comma"
                        : *at == ' ' ? "blank"
                                     : "control character");
        return;
    }
}

static void set_mtu(struct core_map_build *build, struct core_map_port *port,
                    const struct core_map_port_keys *keys)
{
    if (port->profile == NULL)
        return;
    unsigned mtu =
        keys->mtu == SCHEMA_AUTO_VALUE ? port->profile->mtu_default : (unsigned)keys->mtu;
    if (mtu > port->profile->mtu_max)
        core_map_refuse(build, keys->node, "mtu",
                        "found %u, allowed 68 to %u bytes with profile '%s'", mtu,
                        port->profile->mtu_max, port->profile->name);
    port->mtu = (uint16_t)mtu;
}

static void set_mac(struct core_map_build *build, struct core_map_port *port,
                    const struct core_map_port_keys *keys)
{
    if (strcmp(keys->mac, "auto") == 0)
        return;
    if (core_map_mac_parse(keys->mac, &port->mac) != 0)
        core_map_refuse(build, keys->node, "mac",
                        "found \"%.40s\", allowed \"auto\" or a unicast address as "
                        "02:00:00:00:00:01",
                        keys->mac);
}

/* The port that has the address already: one before `port`, or itself; NULL when it is new. */
static const struct core_map_port *find_address(const struct core_map *map,
                                                const struct core_map_port *port,
                                                const struct core_map_address *address)
{
    for (const struct core_map_port *other = map->ports; other <= port; other++)
        for (unsigned i = 0; i < other->address_count; i++)
            if (core_map_address_equal(&other->addresses[i], address))
                return other;
    return NULL;
}

static void add_address(struct core_map_build *build, struct core_map_port *port,
                        const struct conf_node *item)
{
    struct core_map_address address;
    const char *why = core_map_address_parse(item->str, &address);
    const struct core_map_port *other =
        why == NULL ? find_address(build->map, port, &address) : NULL;
    if (why == NULL && other == NULL)
        port->addresses[port->address_count++] = address;
    else if (why != NULL)
        build->result = err_at(build->err, item->file, item->line, "addresses: found \"%.60s\", %s",
                               item->str, why);
    else
        build->result =
            err_at(build->err, item->file, item->line,
                   "addresses: found \"%.60s\" again, port '%s' has it", item->str, other->name);
}

static void set_addresses(struct core_map_build *build, struct core_map_port *port,
                          const struct core_map_port_keys *keys)
{
    const struct conf_node *list = conf_get(keys->node, "addresses");
    if (list == NULL || list->type != CONF_ARRAY)
        return;
    if (list->count > CORE_MAP_ADDRESSES_MAX) {
        core_map_refuse(build, keys->node, "addresses", "found %u, allowed at most %d", list->count,
                        CORE_MAP_ADDRESSES_MAX);
        return;
    }
    for (const struct conf_node *item = list->first; item != NULL; item = item->next)
        if (item->type == CONF_STRING) /* the others are reported */
            add_address(build, port, item);
}

static void check_ipv6_mtu(struct core_map_build *build, const struct core_map_port *port,
                           const struct core_map_port_keys *keys)
{
    enum { IPV6_MTU_MIN = 1280 }; /* RFC 8200, section 5 */
    for (unsigned i = 0; i < port->address_count; i++) {
        if (!port->addresses[i].is_ipv6 || port->mtu >= IPV6_MTU_MIN || port->profile == NULL)
            continue;
        core_map_refuse(build, keys->node, "mtu",
                        "found %u, allowed at least %d bytes with an IPv6 address", port->mtu,
                        IPV6_MTU_MIN);
        return;
    }
}

/* ---- queues given by hand ---- */

static void add_queue(struct core_map_build *build, struct core_map_port *port,
                      const struct conf_node *item, const char *section)
{
    struct queue_keys keys;
    if (schema_apply(&core_map_queue_schema, item, section, NULL, build->map->doc, &keys,
                     build->err) != 0) {
        build->result = -1;
        return;
    }
    check_cpu(build, item, "core", keys.core);
    for (unsigned i = 0; i < port->queue_count; i++)
        if (port->queues[i].queue == keys.queue)
            core_map_refuse(build, item, "queue", "found %u again, it is polled by core %u",
                            (unsigned)keys.queue, port->queues[i].core);
    port->queues[port->queue_count++] =
        (struct core_map_queue){.queue = (uint16_t)keys.queue, .core = (uint16_t)keys.core};
}

static int compare_queues(const void *a, const void *b)
{
    const struct core_map_queue *x = a, *y = b;
    return (x->queue > y->queue) - (x->queue < y->queue);
}

/* A device spreads traffic over all queues that it has: one that nobody polls loses its share. */
static void check_queues(struct core_map_build *build, struct core_map_port *port,
                         const struct core_map_port_keys *keys)
{
    qsort(port->queues, port->queue_count, sizeof(port->queues[0]), compare_queues);
    for (unsigned i = 0; i < port->queue_count; i++) {
        if (port->queues[i].queue <= i) /* less: given twice, reported */
            continue;
        core_map_refuse(build, keys->node, "queues",
                        "found no core for queue %u, allowed are all queues from 0 without gap", i);
        return;
    }
    if (port->profile != NULL && port->queue_count > port->profile->queues_max)
        core_map_refuse(build, keys->node, "queues",
                        "found %u, allowed at most %u with profile '%s'", port->queue_count,
                        port->profile->queues_max, port->profile->name);
}

static void set_queues(struct core_map_build *build, struct core_map_port *port,
                       const struct core_map_port_keys *keys, const char *section)
{
    const struct conf_node *list = keys->queues;
    if (list == NULL || (list->type == CONF_STRING && strcmp(list->str, "auto") == 0))
        return;
    if (!is_list(build, keys->node, "queues", list, CORE_MAP_QUEUES_MAX))
        return;
    int result_before = build->result;
    unsigned index = 0;
    build->result = 0;
    for (const struct conf_node *item = list->first; item != NULL; item = item->next) {
        char name[64];
        snprintf(name, sizeof(name), "%s.queues[%u]", section, index++);
        add_queue(build, port, item, name);
    }
    if (build->result == 0)
        check_queues(build, port, keys);
    build->result |= result_before;
}

/* ---- ports against each other ---- */

static void check_port_name(struct core_map_build *build, unsigned index)
{
    const struct core_map_port *ports = build->map->ports;
    const struct conf_node *node = build->ports[index].node;
    if (build->ports[index].name == NULL) /* reported as missing */
        return;
    if (!is_name(ports[index].name, CORE_MAP_NAME_LEN_MAX))
        core_map_refuse(build, node, "name",
                        "found \"%.40s\", allowed 1 to %d letters, digits, '_', '-' and '.'",
                        ports[index].name, CORE_MAP_NAME_LEN_MAX);
    for (unsigned i = 0; i < index; i++)
        if (strcmp(ports[i].name, ports[index].name) == 0)
            core_map_refuse(build, node, "name", "found '%s' again, first in line %u",
                            ports[i].name, build->ports[i].node->line);
}

static void check_port_device(struct core_map_build *build, unsigned index)
{
    const struct core_map_port *ports = build->map->ports;
    for (unsigned i = 0; i < index; i++) {
        if (ports[index].profile == NULL || ports[index].profile->bus != NIC_PCI ||
            strcmp(ports[i].device, ports[index].device) != 0)
            continue;
        core_map_refuse(build, build->ports[index].node, "device",
                        "found %s again, it is port '%s'", ports[i].device, ports[i].name);
    }
}

/* ---- whole map ---- */

static void parse_port(struct core_map_build *build, const struct conf_node *node, unsigned index)
{
    struct core_map_port *port = &build->map->ports[index];
    struct core_map_port_keys *keys = &build->ports[index];
    char section[32];
    snprintf(section, sizeof(section), "ports[%u]", index);
    build->map->port_count = index + 1;
    build->result |=
        schema_apply(&core_map_port_schema, node, section, NULL, build->map->doc, keys, build->err);
    keys->node = node;
    port->name = keys->name != NULL ? keys->name : "";
    port->device = keys->device != NULL ? keys->device : "";
    port->vlan = (uint16_t)keys->vlan;
    if (node->type != CONF_TABLE) /* reported, and nothing to look into */
        return;
    check_port_name(build, index);
    set_profile(build, port, keys);
    set_device(build, port, keys);
    check_port_device(build, index);
    set_mtu(build, port, keys);
    set_mac(build, port, keys);
    set_addresses(build, port, keys);
    check_ipv6_mtu(build, port, keys);
    set_queues(build, port, keys, section);
}

static void parse_ports(struct core_map_build *build)
{
    const struct conf_node *list = build->keys.ports;
    if (list == NULL || !is_list(build, build->root, "ports", list, CORE_MAP_PORTS_MAX))
        return;
    unsigned index = 0;
    for (const struct conf_node *node = list->first; node != NULL; node = node->next)
        parse_port(build, node, index++);
}

/* Everything is looked at, whatever was wrong before; only resolving needs it all to be good. */
static int parse_map(struct core_map_build *build)
{
    build->root = conf_root(build->map->doc);
    build->result = schema_apply(&core_map_schema, build->root, "core map", NULL, build->map->doc,
                                 &build->keys, build->err);
    set_globals(build);
    parse_ports(build);
    if (build->result == 0)
        core_map_resolve(build);
    return build->result;
}

int core_map_parse(const char *text, size_t text_len, const char *file, const char *profile_dir,
                   const struct core_map_machine *machine, struct core_map **out, struct err *err)
{
    *out = NULL;
    CHECK(machine->cpu_count > 0);
    struct core_map *map = calloc(1, sizeof(*map));
    if (map == NULL)
        return err_at(err, file, 0, "out of memory");
    struct core_map_build build = {.map = map, .machine = machine, .err = err};
    int rc = nic_profiles_load(profile_dir, &map->profiles, err);
    rc |= json_parse(text, text_len, file, &map->doc, err);
    if (rc == 0)
        rc = parse_map(&build);
    if (rc == 0)
        *out = map;
    else
        core_map_free(map);
    return rc == 0 ? 0 : -1;
}

int core_map_load(const char *path, const char *profile_dir, const struct core_map_machine *machine,
                  struct core_map **out, struct err *err)
{
    *out = NULL;
    struct buffer text = {0};
    int rc = conf_file_read(path, &text, err);
    if (rc == 0)
        rc = core_map_parse(text.data, text.size, path, profile_dir, machine, out, err);
    buffer_fini(&text);
    return rc;
}

void core_map_free(struct core_map *map)
{
    if (map == NULL)
        return;
    conf_doc_free(map->doc);
    nic_profiles_free(map->profiles);
    free(map);
}

bool core_map_has_address(const struct core_map *map, const struct core_map_address *address)
{
    for (unsigned p = 0; p < map->port_count; p++)
        for (unsigned i = 0; i < map->ports[p].address_count; i++)
            if (core_map_address_equal(&map->ports[p].addresses[i], address))
                return true;
    return false;
}
