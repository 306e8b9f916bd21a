/* SPDX-License-Identifier: MPL-2.0
 *
 * nic_profile.h - what a kind of port needs and offers: EAL arguments, queues, offloads, quirks.
 *
 * Place:   nic-profiles/NAME.json, checked against nic-profiles/schema.json in CTest; used by
 *          core_map.c (auto values) and dataplane/port.c. A quirk is a key here, never a test of a
 *          driver's name.
 * Threads: start-up only; immutable afterwards.
 * Memory:  strings live in the documents that nic_profiles_load() keeps, until nic_profiles_free().
 * Failure: every error is "FILE:LINE: KEY: what was found, what is allowed".
 */
#ifndef CORE_NIC_PROFILE_H
#define CORE_NIC_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/schema.h"

enum { NIC_PROFILES_MAX = 64 }; /* of a folder */

enum nic_bus { NIC_PCI, NIC_VDEV };

struct nic_profile {
    const char *name;   /* file stem, as "af_packet" */
    const char *driver; /* DPDK's, as "net_af_packet" */
    enum nic_bus bus;
    /* NIC_VDEV: argument of --vdev, NIC_PCI: of -a; {index} {device} {queues} are replaced */
    const char *eal_device;
    const char *device_help; /* what `device` means here, for error texts */
    bool device_required;
    unsigned queues_max;  /* receive queues the port can have */
    unsigned queues_auto; /* of them, what "auto" takes at most */
    unsigned rx_descriptors, tx_descriptors;
    unsigned burst; /* frames asked for at once, 1 to 64 */
    unsigned mtu_default, mtu_max;
    unsigned mbuf_data_bytes; /* room in one mbuf */
    bool rss;                 /* ask for RSS over addresses and ports */
    bool rx_checksum;         /* ask for receive checksum flags and believe them */
    bool checksum_unfinished; /* a local kernel sender leaves checksums unfinished: see the notes */
    bool mtu_settable;        /* rte_eth_dev_set_mtu may be called */
    bool promiscuous_needed;  /* the port must be promiscuous to see its MAC address */
    bool counts_missed;       /* imissed means something */
    bool ends;                /* delivers a finite trace (pcap file) */
    bool sleeps;              /* software port: workers sleep when idle */
    bool creates_socket;      /* `device` is a socket that the port makes; an old one goes */
    const char *needs;        /* rights or packages, one sentence */
    const char *notes;
};

/* Keys of a profile file; nic-profiles/schema.json is made from it (schema_print_json). */
extern const struct schema nic_profile_schema;

struct nic_profiles; /* a folder of profiles, loaded */
/* Reads DIR/NAME.json, but not schema.json; all errors of all files are reported. */
int nic_profiles_load(const char *dir, struct nic_profiles **out, struct err *err);
void nic_profiles_free(struct nic_profiles *profiles);
/* NULL when there is no such profile. */
const struct nic_profile *nic_profile_find(const struct nic_profiles *profiles, const char *name);
unsigned nic_profiles_count(const struct nic_profiles *profiles);
/* By name; NULL beyond the last one. */
const struct nic_profile *nic_profile_at(const struct nic_profiles *profiles, unsigned index);
/* "af_packet, af_xdp, ..." for error texts */
const char *nic_profiles_names(const struct nic_profiles *profiles);

/* Device argument of a port: eal_device with {index}, {device} and {queues} filled in. Returns its
 * length, or -ENOSPC. */
int nic_profile_device(const struct nic_profile *profile, unsigned index, const char *device,
                       unsigned queue_count, char *text, size_t size);

#endif
