/* SPDX-License-Identifier: MPL-2.0
 *
 * core_map.h - which core polls which queue of which port, with how much memory.
 *
 * Place:   a JSON file of the operator; read by heka-dataplane at start, and by hekad, which needs
 *          to know which addresses are the data plane's. No DPDK in here.
 * Threads: start-up only; immutable afterwards.
 * Memory:  strings live in the document that core_map_load() keeps; core_map_free() frees all.
 * Failure: every error is reported with file, line, key, what was found and what is allowed.
 */
#ifndef CORE_CORE_MAP_H
#define CORE_CORE_MAP_H

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/conf.h"
#include "core/nic_profile.h"
#include "core/schema.h"

enum {
    CORE_MAP_PORTS_MAX = 8,
    CORE_MAP_QUEUES_MAX = 16,   /* per port */
    CORE_MAP_WORKERS_MAX = 64,  /* cores that poll */
    CORE_MAP_ADDRESSES_MAX = 16 /* per port */
};

enum core_map_pages { PAGES_AUTO, PAGES_HUGE, PAGES_NORMAL };
enum core_map_lane_pages { LANE_PAGES_AUTO, LANE_PAGES_HUGE, LANE_PAGES_NORMAL };

struct core_map_address {
    bool is_ipv6;
    union {
        struct in_addr ip4;
        struct in6_addr ip6;
    };
    uint8_t prefix_len;
};

struct core_map_queue {
    uint16_t queue; /* receive queue of the port */
    uint16_t core;  /* CPU number */
};

struct core_map_port {
    const char *name;
    const struct nic_profile *profile;
    const char *device; /* interface, PCI address, socket path or file: the profile says which */
    uint16_t vlan;      /* 0 = untagged */
    uint16_t mtu;       /* resolved */
    bool promiscuous;
    struct ether_addr mac; /* all zero: the device's own */
    struct core_map_address addresses[CORE_MAP_ADDRESSES_MAX];
    unsigned address_count;
    struct core_map_queue queues[CORE_MAP_QUEUES_MAX]; /* resolved */
    unsigned queue_count;
};

struct core_map_cpus { /* ascending, distinct; none: "auto" */
    unsigned cpus[CORE_MAP_WORKERS_MAX];
    unsigned count;
};

struct core_map {
    const char *file_prefix;                /* EAL; resolved: "auto" became hekaline-<pid> */
    unsigned main_core;                     /* resolved; housekeeping */
    unsigned workers[CORE_MAP_WORKERS_MAX]; /* CPU numbers, resolved, ascending, distinct */
    unsigned worker_count;
    struct core_map_cpus hekad_cores;    /* auto: those that no worker polls */
    struct core_map_cpus sandbox_cores;  /* a sandbox worker on one of them; auto: as hekad_cores */
    enum core_map_pages pages;           /* resolved: never PAGES_AUTO */
    unsigned memory_mbytes;              /* for EAL, resolved */
    unsigned mbufs_per_port;             /* resolved */
    unsigned lane_mbytes;                /* of each lane; power of two */
    enum core_map_lane_pages lane_pages; /* auto is settled at start, when EAL's are known */
    unsigned tcp_connections;            /* of each worker */
    bool idle_sleep; /* workers sleep a little when nothing arrives (shared machines) */
    bool force;      /* accept what would be refused (NUMA crossing, two roles on one core) */
    struct core_map_port ports[CORE_MAP_PORTS_MAX];
    unsigned port_count;
    struct conf_doc *doc;
    struct nic_profiles *profiles;
};

/* What "auto" is resolved from; a parameter so that tests can describe any machine. */
struct core_map_machine {
    unsigned cpu_count;                                   /* CPU numbers are below */
    bool (*cpu_allowed)(void *arg, unsigned cpu);         /* "auto" takes only these; NULL: all */
    int (*numa_of_cpu)(void *arg, unsigned cpu);          /* -1 unknown */
    int (*numa_of_device)(void *arg, const char *device); /* -1 unknown */
    unsigned huge_pages_free_mbytes;
    void *arg;
};
void core_map_machine_read(struct core_map_machine *machine); /* this machine */

/* The keys, for the manual: the map, its ports, their queues. */
extern const struct schema core_map_schema, core_map_port_schema, core_map_queue_schema;

/* Loads, checks and resolves. Profiles are looked up in `profile_dir`. 0, or -1 with all errors. */
int core_map_load(const char *path, const char *profile_dir, const struct core_map_machine *machine,
                  struct core_map **out, struct err *err);
/* As core_map_load from text (tests, fuzzing). */
int core_map_parse(const char *text, size_t text_len, const char *file, const char *profile_dir,
                   const struct core_map_machine *machine, struct core_map **out, struct err *err);
void core_map_free(struct core_map *map);

/* Room for frame bytes in an mbuf of this port, headroom not counted: the profile's, or one whole
 * frame of the port's MTU with two VLAN tags. Memory is computed with it. */
unsigned core_map_mbuf_data_bytes(const struct core_map_port *port);

/* The resolved map as JSON, as printed at start; it is valid input that gives the same map again.
 * 0, or -EIO. */
int core_map_print(const struct core_map *map, FILE *out);

/* True when `address` (network order) is one of a port's: the data plane serves that input. */
bool core_map_has_address(const struct core_map *map, const struct core_map_address *address);

#endif
