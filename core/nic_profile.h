/* SPDX-License-Identifier: MPL-2.0
 *
 * nic_profile.h - what a kind of port needs and offers: EAL device arguments, queues, offloads, quirks.
 *
 * Place:   nic-profiles/NAME.json, checked against nic-profiles/schema.json in CTest; used by
 *          core_map.c (auto values) and dataplane/port.c. A quirk is a key here, never a test of a driver's name.
 * Threads: start-up only; immutable afterwards.
 */
#ifndef CORE_NIC_PROFILE_H
#define CORE_NIC_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conf.h"

enum nic_bus { NIC_PCI, NIC_VDEV };

struct nic_profile {
    const char *name;   /* file stem, as "af_packet" */
    const char *driver; /* DPDK's, as "net_af_packet" */
    enum nic_bus bus;
    /* NIC_VDEV: argument of --vdev, NIC_PCI: of -a; {index} {device} {queues} are replaced */
    const char *eal_device;
    const char *device_help;     /* what `device` means here, for error texts */
    bool device_required;
    unsigned queues_max;         /* receive queues the port can have */
    unsigned rx_descriptors, tx_descriptors;
    unsigned burst;              /* frames asked for at once, 1 to 64 */
    unsigned mtu_default, mtu_max;
    unsigned mbuf_data_bytes;    /* room in one mbuf */
    bool rss;                    /* ask for RSS over addresses and ports */
    bool rx_checksum;            /* ask for receive checksum flags and believe them */
    bool checksum_unfinished;    /* a local kernel sender leaves checksums unfinished: see the notes */
    bool mtu_settable;           /* rte_eth_dev_set_mtu may be called */
    bool promiscuous_needed;     /* the port must be promiscuous to see its MAC address */
    bool counts_missed;          /* imissed means something */
    bool ends;                   /* delivers a finite trace (pcap file) */
    bool sleeps;                 /* software port: workers sleep when idle */
    const char *needs;           /* rights or packages, one sentence */
    const char *notes;
};

struct nic_profiles; /* a folder of profiles, loaded */
int nic_profiles_load(const char *dir, struct nic_profiles **out, struct err *err);
void nic_profiles_free(struct nic_profiles *profiles);
/* NULL when there is no such profile. */
const struct nic_profile *nic_profile_find(const struct nic_profiles *profiles, const char *name);
/* "af_packet, af_xdp, ..." for error texts */
const char *nic_profiles_names(const struct nic_profiles *profiles);

#endif
